/**
 * The tokens of one list, and how they are checked when they come back.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { PageTokenInvalid } from "../../PersistenceError.ts"
import { PageToken } from "./pageToken.ts"

type Token = typeof PageToken.Type

/**
 * The tokens of one list, and how its position is written: what its query needs to go on.
 */
export interface Codec<A> {
  /** The table, and which part and range of it. */
  readonly list: string
  readonly encode: (position: A) => Token
  readonly decode: (token: Token) => Effect.Effect<A, PageTokenInvalid>
  /** The same for one part or range of the list, such as one shard's: it takes no token of another. */
  readonly of: (part: string) => Codec<A>
}

const version = "2"

/** Gives a list its tokens: `table` says where its rows are. */
export const codec = <A, I>(table: string, position: Schema.Codec<A, I>): Codec<A> => {
  const json = Schema.fromJsonString(Schema.toCodecJson(position))
  const write = Schema.encodeSync(json)
  const read = Schema.decodeUnknownEffect(json)
  const of = (list: string): Codec<A> => {
    const refuse = (reason: string) => Effect.fail(new PageTokenInvalid({ list, reason }))
    // The sum covers the list's name as well, so that no token passes for another's: 96 bits, which nobody finds twice.
    const sum = (text: string) =>
      createHash("sha256").update(`${version}:${list}:${text}`).digest().subarray(0, 12).toString("base64url")
    return {
      list,
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
      of: (part) => of(`${list}, ${part}`)
    }
  }
  return of(table)
}
