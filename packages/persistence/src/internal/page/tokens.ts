/**
 * The tokens of one list, and how they are checked when they come back.
 */
import { crc32 } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { PageTokenInvalid } from "../../PersistenceError.ts"
import { PageToken } from "./pageToken.ts"

type Token = typeof PageToken.Type

/**
 * The tokens of one list: `list` names it, and `position` is what its query needs to go on.
 */
export interface Codec<A> {
  readonly encode: (position: A) => Token
  readonly decode: (token: Token) => Effect.Effect<A, PageTokenInvalid>
  /** The same for one part of the list, such as one shard's: it takes no token of another part. */
  readonly of: (part: string) => Codec<A>
}

const version = "1"

/** Gives a list its tokens. */
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
