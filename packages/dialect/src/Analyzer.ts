/**
 * Statements and what the server would answer to them, remembered.
 *
 * A server or a proxy sees the same texts again and again. Parsing one costs
 * tens of microseconds; looking it up costs a few.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Cache from "effect/Cache"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Dialect from "./Dialect.ts"
import type { Refusal, ServiceDate } from "./Rule.ts"
import * as Statement from "./Statement.ts"

/**
 * One statement of a text, and what the server would answer to it alone.
 *
 * @since 0.1.0
 * @category models
 */
export interface Analyzed {
  readonly statement: Statement.Statement
  readonly refusal: Option.Option<Refusal>
}

/**
 * Parses texts and asks the dialect's rules, once for each of the texts that were used last. It may be shared: those who
 * ask for the same text at once wait for one parse.
 *
 * @since 0.1.0
 * @category services
 */
export interface Analyzer {
  /** The statements of a text and their answers, as `Statement.parse` and `Dialect.refusal` give them. */
  readonly analyze: (sql: string) => Effect.Effect<ReadonlyArray<Analyzed>, Statement.SyntaxError>
}

/**
 * How much is remembered, and which rules are asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many texts are remembered; the one unused for longest is forgotten first. 500 if left out. */
  readonly capacity?: number | undefined
  /** The length in UTF-16 units above which a text is not remembered: bulk writes do not come again. 8192 if left out. */
  readonly longest?: number | undefined
  /** The service date whose rules apply; the newest one known if left out. */
  readonly at?: ServiceDate | undefined
}

/**
 * Makes an analyzer.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Analyzer } from "@effect-dsql/dialect"
 *
 * const program = Effect.gen(function* () {
 *   const { analyze } = yield* Analyzer.make({ capacity: 1_000 })
 *   return yield* analyze("SELECT 1")
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (options: Options = {}): Effect.fn.Return<Analyzer> {
  const longest = options.longest ?? 8_192
  const fresh = (sql: string) =>
    Effect.map(Statement.parse(sql), (statements) =>
      statements.map((statement): Analyzed => ({
        statement,
        refusal: Dialect.refusal(statement, { at: options.at })
      }))
    )
  const remembered = yield* Cache.make({ lookup: fresh, capacity: options.capacity ?? 500 })
  return { analyze: (sql) => (sql.length > longest ? fresh(sql) : Cache.get(remembered, sql)) }
})
