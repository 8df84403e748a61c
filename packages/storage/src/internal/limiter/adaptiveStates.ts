/**
 * Keeps the states of adaptive limits. A key of which nothing is known is read, and no more.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { ConflictRetriesExhausted } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import type * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import type { AdaptiveConsumeResult } from "effect/persistence/RateLimiter"
import * as Schema from "effect/Schema"
import * as Grouped from "../grouped.ts"
import * as Again from "../statement/again.ts"
import type { Failure, Statements } from "../statement/statement.ts"
import * as Adaptive from "./adaptive.ts"

const { sql, value } = Expression

const Row = Schema.Struct({
  now: Schema.Number,
  state: Schema.NullOr(Schema.fromJsonString(Adaptive.State)),
  written_by: Schema.NullOr(Schema.String)
})

const encode = Schema.encodeSync(Schema.fromJsonString(Adaptive.State))

/** What is asked of a limit, and what a server said that was asked by it. */
export interface Limit {
  readonly consume: (asked: Parameters<typeof Adaptive.consume>[1]) => Effect.Effect<AdaptiveConsumeResult, Failed>
  readonly feedback: (said: Parameters<typeof Adaptive.feedback>[1]) => Effect.Effect<void, Failed>
}

type Failed = Failure | ConflictRetriesExhausted

/** What a state becomes; undefined where it stays. */
type Step = (state: Adaptive.State | undefined, now: number) => Adaptive.State | undefined

/** The state that a step found. */
interface Met {
  readonly state: Adaptive.State | undefined
  readonly now: number
}

const room: Grouped.Room<Step> = { count: 10_000, bytes: 1, weight: () => 0 }

/** A limit, whose steps of one moment are taken one after the other in one statement. */
export const make = (context: Context.Context<DsqlClient>, statements: Statements, key: string): Limit => {
  const step = Grouped.make(context, { atOnce: 1, room }, (group: ReadonlyArray<Step>) =>
    changed(statements, key, (found, now) => {
      let state = found
      const met = group.map((step): Met => {
        const before = { state, now }
        state = step(state, now) ?? state
        return before
      })
      // There is one for each step of the group.
      return { value: (place: number) => met[place] as Met, next: state === found ? undefined : state }
    })
  )
  return {
    consume: (asked) =>
      Effect.map(
        step((state, now) => Adaptive.consume(state, asked, now).next),
        ({ now, state }) => Adaptive.consume(state, asked, now).result
      ),
    feedback: (said) => Effect.asVoid(step((state, now) => Adaptive.feedback(state, said, now)))
  }
}

interface Change<A> {
  readonly value: A
  /** What the state becomes; undefined where it stays. */
  readonly next: Adaptive.State | undefined
}

/** Reads a state, and writes what it becomes unless others came first; then it begins anew. */
const changed = <A>(
  statements: Statements,
  key: string,
  change: (state: Adaptive.State | undefined, now: number) => Change<A>
): Effect.Effect<A, Failed> =>
  Again.untilFirst(
    "RateLimiter.adaptive",
    Effect.gen(function* () {
      const [row] = yield* statements.read("RateLimiter.adaptive", Row, read(key))
      if (row === undefined) return yield* Effect.die(new Error("a SELECT without FROM gives one row"))
      const state = row.state !== null && row.state.idleAt > row.now ? row.state : undefined
      const { next, value } = change(state, row.now)
      if (next !== undefined) yield* write(statements, key, row.written_by, next)
      return value
    })
  )

const read = (key: string) => sql`
  SELECT clock.now, stored.state, stored.written_by
  FROM (SELECT EXTRACT(EPOCH FROM now())::double precision * 1000 AS now) AS clock
  LEFT JOIN effect_rate_limiter_adaptive AS stored ON stored.id = ${value("text", key)}`

const write = (statements: Statements, key: string, seen: string | null, next: Adaptive.State) => {
  const id = value("text", key)
  const writer = SecureRandom.uuidV4Unsafe()
  const guard = Guard.make({
    name: "state",
    row: Guard.row("effect_rate_limiter_adaptive", { id }, ["written_by"], "exclusive"),
    columns: ["written_by"],
    holds: (row) => (seen === null ? Guard.absent(row) : Guard.exists(row, sql`written_by = ${value("uuid", seen)}`)),
    refuse: () => Effect.fail(new Again.Overtaken())
  })
  const columns = {
    state: value("text", encode(next)),
    written_by: value("uuid", writer),
    idle_at: value("double precision", next.idleAt)
  }
  const onConflict = Write.replacing(["id"], Object.keys(columns))
  const insert = Write.insert({ into: "effect_rate_limiter_adaptive", columns: { id, ...columns }, onConflict })
  const verify = () =>
    Effect.map(
      Effect.flatMap(
        Transaction.sql,
        (sql) => sql`SELECT 1 FROM effect_rate_limiter_adaptive WHERE id = ${key} AND written_by = ${writer}`
      ),
      (rows) => (rows.length === 1 ? Transaction.committed({}) : Transaction.unknown)
    )
  return statements.write("RateLimiter.adaptive", { guards: [guard], writes: [insert] }, verify)
}
