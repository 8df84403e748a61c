/**
 * What each form of a transaction says of each fault, and whether that is true: an error by its place, a retry after a
 * conflict and after nothing else, and an unknown outcome wherever COMMIT may have been reached.
 */
import { DsqlClient, RetryPolicy, Transaction } from "@effect-dsql/core"
import type { Faults } from "@effect-dsql/emulator"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, type Option } from "effect"
import { Control } from "../../../test/emulator.ts"

const policy = RetryPolicy.make({ jitter: "none", base: "1 millis" })

interface Options {
  readonly policy: RetryPolicy.RetryPolicy
  readonly verify?: (
    value: Option.Option<unknown>
  ) => Effect.Effect<Transaction.Outcome<never>, unknown, Transaction.Transaction>
}

const increment = (id: number) =>
  Effect.flatMap(Transaction.sql, (sql) => sql`UPDATE counters SET n = n + 1 WHERE id = ${id}`)

const increments = (concurrency: 1 | "unbounded") => Effect.forEach([1, 2, 3], increment, { concurrency })

/** Each increments three counters, in two statements at most after the first. */
const forms = {
  "in turn": (options: Options) => Transaction.run(increments(1), options),
  "at once": (options: Options) => Transaction.run(increments("unbounded"), options),
  "with an end": (options: Options) =>
    Transaction.finish(
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        yield* increment(1)
        return [2, 3].map((id) => sql`UPDATE counters SET n = n + 1 WHERE id = ${id}`)
      }),
      options
    ),
  "all at its end": (options: Options) =>
    Transaction.batch((sql) => [1, 2, 3].map((id) => sql`UPDATE counters SET n = n + 1 WHERE id = ${id}`), options)
} as const

type Form = keyof typeof forms

/** What is heard, and whether the counters have risen. */
type Said = "done" | "ConnectionLost" | "CommitOutcomeUnknown" | "CommitOutcomeUnknown, done"

/** The statement that carries COMMIT in its round trip, where the pipeline is on. */
const carries = (form: Form, nth: number): boolean => form === "all at its end" || (form === "with an end" && nth > 1)

const said = (form: Form, pipeline: "on" | "off", { fault, nth = [1], on }: Faults.Rule): Said => {
  if (fault === "conflict" || fault === "schema-conflict") return "done"
  if (on === "statement") {
    const rides = pipeline === "on" && carries(form, nth[0] ?? 1)
    return fault === "cut" && rides ? "CommitOutcomeUnknown" : "ConnectionLost"
  }
  return fault === "cut-after" || fault === "unavailable-after" ? "CommitOutcomeUnknown, done" : "CommitOutcomeUnknown"
}

const rules: ReadonlyArray<Faults.Rule> = [
  ...([1, 2, 3] as const).flatMap((nth): ReadonlyArray<Faults.Rule> =>
    (["conflict", "unavailable", "cut"] as const).map((fault) => ({ on: "statement", fault, nth: [nth] }))
  ),
  ...(["conflict", "schema-conflict", "unavailable", "unavailable-after", "cut", "cut-after"] as const).map(
    (fault): Faults.Rule => ({ on: "commit", fault, nth: [1] })
  )
]

const schema = Layer.effectDiscard(
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* sql`CREATE TABLE counters (id integer PRIMARY KEY, n integer NOT NULL)`
    yield* sql`INSERT INTO counters VALUES (1, 0), (2, 0), (3, 0)`
  })
)

/** Whether all counters have risen by one, or none has. */
const risen = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  const rows = yield* sql<{ readonly n: number }>`SELECT n FROM counters`
  yield* sql`UPDATE counters SET n = 0`
  const values = new Set(rows.map(({ n }) => n))
  assert.strictEqual(values.size, 1, "a part of the transaction took effect")
  const [value = 0] = values
  assert.isAtMost(value, 1, "the transaction took effect twice")
  return value === 1
})

const verify = () =>
  Effect.flatMap(Transaction.sql, (sql) =>
    Effect.map(sql<{ readonly n: number }>`SELECT n FROM counters WHERE id = 1 FOR UPDATE`, ([row]) =>
      // All forms give arrays, of which this test reads nothing.
      row?.n === 1 ? Transaction.committed([] as never) : Transaction.notCommitted
    )
  )

for (const pipeline of ["on", "off"] as const) {
  layer(Layer.provideMerge(schema, Testing.layer({ client: { pipeline, policy } })), { excludeTestServices: true })(
    `with the pipeline ${pipeline}, a transaction of three statements`,
    (it) => {
      for (const [name, form] of Object.entries(forms)) {
        it.effect.each(rules.map((rule) => [`${rule.fault} at ${rule.on} ${rule.nth?.join() ?? ""}`, rule] as const))(
          `${name} says what became of it: %s`,
          ([, rule]) =>
            Effect.gen(function* () {
              const control = yield* Control
              // The keys of `forms` are its names.
              const expected = said(name as Form, pipeline, rule)
              yield* form({ policy })
              yield* risen
              yield* control.inject(rule)
              const found = yield* Effect.result(form({ policy }))
              yield* control.clear
              const done = yield* risen
              const heard = found._tag === "Success" ? "done" : `${found.failure._tag}${done ? ", done" : ""}`
              assert.strictEqual(heard, expected)
              yield* control.inject(rule)
              const settled = yield* Effect.result(form({ policy, verify }))
              yield* control.clear
              const isDone = yield* risen
              assert.strictEqual(settled._tag, isDone ? "Success" : "Failure")
              if (settled._tag === "Failure") assert.strictEqual(settled.failure._tag, "ConnectionLost")
            })
        )
      }
    }
  )
}
