/**
 * Page tokens: where the next page of a list begins.
 *
 * A token is opaque to the caller and checked when it comes back: it names its
 * version and the list that it belongs to, and a foreign, cut or altered one is
 * refused with `PageTokenInvalid` before anything is read.
 *
 * @since 0.1.0
 */
import { crc32 } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { PageToken as PageTokenSchema } from "./internal/page/pageToken.ts"
import { PageTokenInvalid } from "./PersistenceError.ts"

/**
 * Where a list goes on. Keep it as it is; only the list that gave it can read it.
 *
 * @since 0.1.0
 * @category models
 */
export const PageToken = PageTokenSchema

/**
 * @since 0.1.0
 * @category models
 */
export type PageToken = typeof PageToken.Type

/**
 * Which page of a list is asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface PageRequest {
  /** Items that the page has at most, 1 to 1,000. Default: 100. */
  readonly size?: number | undefined
  /** `next` of the page before, or of the `MalformedRow` that is to be passed over. Default: the first page. */
  readonly token?: PageToken | undefined
}

/**
 * One page of a list. It ends early before a row that does not decode: the page after it fails with `MalformedRow`,
 * whose `next` leads past that row.
 *
 * @since 0.1.0
 * @category models
 */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  /** Undefined after the last page. */
  readonly next: PageToken | undefined
}

/**
 * The tokens of one list: `list` names it, and `position` is what its query needs to go on.
 */
export interface Codec<A> {
  readonly encode: (position: A) => PageToken
  readonly decode: (token: PageToken) => Effect.Effect<A, PageTokenInvalid>
  /** The same for one part of the list, such as one shard's: it takes no token of another part. */
  readonly of: (part: string) => Codec<A>
}

const version = "1"

export const codec = <A, I>(list: string, position: Schema.Codec<A, I>): Codec<A> => {
  const json = Schema.fromJsonString(Schema.toCodecJson(position))
  const write = Schema.encodeSync(json)
  const read = Schema.decodeUnknownEffect(json)
  const refuse = (reason: string) => Effect.fail(new PageTokenInvalid({ list, reason }))
  const of = (part: string): Codec<A> => {
    // The sum covers the list's name and part as well, so that no token passes for another's.
    const sum = (text: string) => crc32(`${version}:${list}:${part}:${text}`).toString(36)
    return {
      encode: (value) => {
        const text = write(value)
        return PageToken.make(`${version}.${Buffer.from(text).toString("base64url")}.${sum(text)}`)
      },
      decode: Effect.fnUntraced(function* (token) {
        const [made, body, checked, ...rest] = token.split(".")
        if (made !== version) return yield* refuse(`version ${version} is expected`)
        if (body === undefined || checked === undefined || rest.length > 0) return yield* refuse("it has been cut")
        const text = Buffer.from(body, "base64url").toString()
        if (sum(text) !== checked || Buffer.from(text).toString("base64url") !== body) {
          return yield* refuse("it is another list's, or has been altered")
        }
        return yield* Effect.catch(read(text), () => refuse("its position cannot be read"))
      }),
      of
    }
  }
  return of("")
}
