import { Recording } from "@effect-dsql/dialect"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as ClientMessage from "../src/internal/protocol/clientMessage.ts"
import * as Frame from "../src/internal/protocol/frame.ts"
import * as Shared from "./shared.ts"
import type * as WireClient from "./wireClient.ts"

type Step = typeof Recording.Step.Type

/** A recording that `effect-dsql probe --record` wrote. */
const own = process.env["DSQL_RECORDING"]
const file = own ?? fileURLToPath(import.meta.resolve("@effect-dsql/dialect/recordings/probes.jsonl"))
const recorded = Recording.parse(readFileSync(file, "utf8"))

/** Where the emulator answers otherwise than this repository's recording, on purpose; CONFORMANCE.md says why. */
const deviations: ReadonlySet<string> = new Set(
  own === undefined
    ? [
        "create_function_plpgsql",
        "q_lateral_left_outer_ref",
        "q_lateral_left_no_outer_where",
        "q_lateral_left_outer_ref_cast"
      ]
    : []
)

/** An array in PostgreSQL's text form. */
const array = (values: (typeof Recording.Bound.Type)[number]): Buffer =>
  Buffer.from(`{${values.map((value) => (typeof value === "number" ? value : `"\\\\x${value.bytes}"`)).join(",")}}`)

const asked = (client: WireClient.WireClient, { params, sql }: Step) => {
  if (params === undefined) return client.query(sql)
  const values = params.map(array).flatMap((value) => [Frame.int32(value.length), value])
  return client.send(
    Buffer.concat([
      ClientMessage.parse("", sql, Frame.int16(0)),
      ClientMessage.bind(
        "",
        "",
        Buffer.concat([Frame.int16(0), Frame.int16(params.length), ...values, Frame.int16(0)])
      ),
      ClientMessage.execute("", 0),
      ClientMessage.sync
    ])
  )
}

/** The driver that records keeps the first word of a command tag, where it has no count. */
const isTag = (recorded: string | null, tag: string | undefined): boolean =>
  tag === recorded || (recorded !== null && /^\w+$/.test(recorded) && tag?.startsWith(`${recorded} `) === true)

const sorted = (rows: unknown) => (Array.isArray(rows) ? rows.map((row) => JSON.stringify(row)).toSorted() : rows)

const difference = (step: Step, answer: WireClient.Answer): string | undefined => {
  const last = answer.results.at(-1)
  if (step.sqlstate !== null) {
    const { error } = answer
    if (error === undefined) return `accepted, not ${step.sqlstate} ${step.message}`
    if (error.sqlstate !== step.sqlstate)
      return `${error.sqlstate} ${error.message}, not ${step.sqlstate} ${step.message}`
    return error.message === step.message ? undefined : `"${error.message}", not "${step.message}"`
  }
  if (answer.error !== undefined) return `refused: ${answer.error.sqlstate} ${answer.error.message}`
  if (!isTag(step.ok, last?.tag)) return `tag ${last?.tag}, not ${step.ok}`
  if (Recording.isVolatile(step.sql))
    return last?.rows?.length === step.rows?.length || step.rows === null ? undefined : "rows"
  if (step.rows === null) return undefined
  const [got, expected] = [JSON.stringify(sorted(last?.rows)), JSON.stringify(sorted(step.rows))]
  return got === expected ? undefined : `rows ${got}, not ${expected}`
}

const page = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8")

const jobDelay = 120_000

layer(Shared.layer({ jobDelay }), { excludeTestServices: true })("conformance", (it) => {
  it.effect("every recorded probe is answered as the cluster answered it", () =>
    Effect.gen(function* () {
      const { emulator } = yield* Shared.Shared
      const probes = yield* recorded
      const failures: Array<string> = []
      for (const probe of probes) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const [first, second] = probe.sessions
            const clients = [yield* Shared.wire(), ...(second === undefined ? [] : [yield* Shared.wire()])]
            let job = ""
            const order = probe.order ?? (first ?? []).map((_, n) => [0, n] as const)
            const problems: Array<string> = []
            for (const [session, n] of order) {
              const step = probe.sessions[session]?.[n]
              const client = clients[session]
              assert(step !== undefined && client !== undefined)
              const sql = step.sql.replaceAll("{job}", job)
              // Only for who waits until it is done: the end of a job would be a change of the schema amid later steps.
              if (step.sql.includes("{job}")) yield* emulator.control.advance(jobDelay)
              const answer = yield* asked(client, { ...step, sql })
              if (/\bASYNC\b/.test(sql)) job = answer.results.at(-1)?.rows?.[0]?.[0] ?? ""
              const problem = difference(step, answer)
              if (problem !== undefined) problems.push(`${probe.group}/${probe.id}: ${step.sql}\n    ${problem}`)
            }
            if (problems.length > 0 && !deviations.has(probe.id)) failures.push(problems.join("\n  "))
            if (problems.length === 0 && deviations.has(probe.id))
              failures.push(`${probe.id} agrees: no longer a deviation`)
          })
        )
      }
      yield* Effect.logInfo(`${probes.length - failures.length} of ${probes.length} questions are answered as expected`)
      assert.deepStrictEqual(failures, [], `\n${failures.join("\n")}`)
      if (own === undefined) {
        const questions = probes.filter(({ group }) => group !== "setup").length
        const agree = `${questions - deviations.size} of ${questions}`
        assert.include(page("packages/emulator/CONFORMANCE.md"), `**${agree} agree.**`)
        assert.include(page("README.md"), `answers ${agree} probes as a cluster did`)
      }
    })
  )
})
