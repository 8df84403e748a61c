import { assert, layer } from "@effect/vitest"
import { Statement } from "@effect-dsql/dialect"
import { Effect, Schema } from "effect"
import { readFileSync } from "node:fs"
import * as Shared from "./shared.ts"
import type { Answer } from "./wireClient.ts"

const Rows = Schema.NullOr(Schema.Array(Schema.Array(Schema.NullOr(Schema.String))))
const Step = Schema.Struct({
  sql: Schema.String,
  ok: Schema.NullOr(Schema.String),
  sqlstate: Schema.NullOr(Schema.String),
  message: Schema.NullOr(Schema.String),
  rows: Rows,
  results: Schema.optional(Schema.Array(Schema.Struct({ ok: Schema.String, rows: Rows })))
})
const Probe = Schema.Struct({
  id: Schema.String,
  group: Schema.String,
  sessions: Schema.Array(Schema.Array(Step)),
  order: Schema.optional(Schema.Array(Schema.Tuple([Schema.Int, Schema.Int])))
})
type Step = typeof Step.Type

const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8")
const probes = fixture("probes.jsonl")
  .trim()
  .split("\n")
  .map((line) => Schema.decodeUnknownSync(Schema.fromJsonString(Probe))(line))

/** Where the emulator answers otherwise, on purpose; CONFORMANCE.md says why. */
const deviations: ReadonlySet<string> = new Set([
  "create_function_plpgsql",
  "q_lateral_left_outer_ref",
  "q_lateral_left_no_outer_where",
  "q_lateral_left_outer_ref_cast"
])

/** Rows that change from one day to the next on the cluster itself. */
const volatile = /job_id|sys\.jobs|INDEX ASYNC|ALTER TABLE ASYNC|current_database/

const sorted = (rows: unknown) => (Array.isArray(rows) ? rows.map((row) => JSON.stringify(row)).toSorted() : rows)

const difference = (step: Step, answer: Answer): string | undefined => {
  const last = answer.results.at(-1)
  if (step.sqlstate !== null) {
    const { error } = answer
    if (error === undefined) return `accepted, not ${step.sqlstate} ${step.message}`
    if (error.sqlstate !== step.sqlstate)
      return `${error.sqlstate} ${error.message}, not ${step.sqlstate} ${step.message}`
    return error.message === step.message ? undefined : `"${error.message}", not "${step.message}"`
  }
  if (answer.error !== undefined) return `refused: ${answer.error.sqlstate} ${answer.error.message}`
  if (last?.tag !== step.ok) return `tag ${last?.tag}, not ${step.ok}`
  if (volatile.test(step.sql))
    return last?.rows?.length === step.rows?.length || step.rows === null ? undefined : "rows"
  if (step.rows === null) return undefined
  const [got, expected] = [JSON.stringify(sorted(last?.rows)), JSON.stringify(sorted(step.rows))]
  return got === expected ? undefined : `rows ${got}, not ${expected}`
}

layer(Shared.layer({ jobDelay: "2 minutes" }), { excludeTestServices: true, timeout: "60 seconds" })(
  "conformance",
  (it) => {
    it.effect(
      "every recorded probe is answered as the cluster answered it",
      () =>
        Effect.gen(function* () {
          const main = yield* Shared.wire()
          for (const statement of yield* Statement.parse(fixture("setup.sql"))) {
            const { error } = yield* main.query(statement.text)
            assert.isUndefined(error, statement.text)
          }
          const failures: Array<string> = []
          for (const probe of probes) {
            yield* Effect.scoped(
              Effect.gen(function* () {
                const [first, second] = probe.sessions
                const clients = second === undefined ? [main] : [yield* Shared.wire(), yield* Shared.wire()]
                const order = probe.order ?? (first ?? []).map((_, n) => [0, n] as const)
                const problems: Array<string> = []
                for (const [session, n] of order) {
                  const step = probe.sessions[session]?.[n]
                  const client = clients[session]
                  assert(step !== undefined && client !== undefined)
                  const answer = yield* client.query(step.sql)
                  const problem = difference(step, answer)
                  if (problem !== undefined) problems.push(`${probe.group}/${probe.id}: ${step.sql}\n    ${problem}`)
                }
                yield* main.query("ROLLBACK")
                if (problems.length > 0 && !deviations.has(probe.id)) failures.push(problems.join("\n  "))
                if (problems.length === 0 && deviations.has(probe.id))
                  failures.push(`${probe.id} agrees: no longer a deviation`)
              })
            )
          }
          yield* Effect.logInfo(`${probes.length - failures.length - deviations.size} of ${probes.length} probes agree`)
          assert.deepStrictEqual(failures, [], `\n${failures.join("\n")}`)
        }),
      120_000
    )
  }
)
