/**
 * A recording: what a server answered, one question a line, as the conformance tests read it; and such a file as
 * questions again.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InvalidUsage } from "../../Failure.ts"
import type { Answer, Probe, Step } from "./probe.ts"

const Rows = Schema.NullOr(Schema.Array(Schema.Array(Schema.NullOr(Schema.String))))

/** What was bound: JSON, and bytes as hexadecimal digits. */
const Bound = Schema.Array(Schema.Array(Schema.Union([Schema.Number, Schema.Struct({ bytes: Schema.String })])))

type Params = NonNullable<Step["params"]>

const bound = (params: Params): typeof Bound.Type =>
  params.map((values) =>
    values.map((value) => (typeof value === "number" ? value : { bytes: Buffer.from(value).toString("hex") }))
  )

const unbound = (params: typeof Bound.Type): Params =>
  params.map((values) => values.map((value) => (typeof value === "number" ? value : Buffer.from(value.bytes, "hex"))))

const Recorded = Schema.Struct({
  id: Schema.String,
  group: Schema.String,
  sessions: Schema.Array(
    Schema.Array(
      Schema.Struct({
        sql: Schema.String,
        ok: Schema.NullOr(Schema.String),
        sqlstate: Schema.NullOr(Schema.String),
        message: Schema.NullOr(Schema.String),
        rows: Rows,
        params: Schema.optional(Bound),
        /** Answers of several statements in one message. */
        results: Schema.optional(Schema.Unknown)
      })
    )
  ),
  order: Schema.optional(Schema.Array(Schema.Tuple([Schema.Literals([0, 1]), Schema.Int])))
})

const Line = Schema.fromJsonString(Recorded)

/** A line of a recording. */
export const line = (probe: Probe, answers: ReadonlyArray<ReadonlyArray<Answer>>): string => {
  const next: [number, number] = [0, 0]
  return JSON.stringify({
    id: probe.id,
    group: probe.group,
    sessions: probe.sessions.map((steps, session) =>
      steps.map(({ params, sql }, i) => {
        const answer = answers[session]?.[i]
        const asked = params === undefined ? { sql } : { sql, params: bound(params) }
        return answer !== undefined && "ok" in answer
          ? { ...asked, ok: answer.ok, sqlstate: null, message: null, rows: answer.rows }
          : { ...asked, ok: null, sqlstate: answer?.sqlstate ?? null, message: answer?.message ?? null, rows: null }
      })
    ),
    ...(probe.sessions.length === 1 ? {} : { order: probe.order.map((session) => [session, next[session]++]) })
  })
}

/** What defines something answers with the id of a job, if with anything: another one each time. */
const isJob = (tag: string): boolean => tag === "CREATE INDEX" || tag === "ALTER TABLE"

/** Reads a recording as questions: a server is to answer them as the recorded one did. */
export const read = Effect.fnUntraced(function* (
  path: string,
  text: string
): Effect.fn.Return<ReadonlyArray<Probe>, InvalidUsage> {
  const lines = text.split("\n").filter((line) => line.trim() !== "")
  return (yield* Effect.forEach(lines, (line, i) =>
    Effect.mapError(
      Schema.decodeUnknownEffect(Line)(line),
      () => new InvalidUsage({ message: `${path}:${i + 1} is no line of a recording: give one that probe wrote` })
    )
  )).flatMap(({ group, id, order, sessions: [first, second] }): ReadonlyArray<Probe> => {
    const all = [...(first ?? []), ...(second ?? [])]
    // The driver sends one statement a message.
    if (first === undefined || all.some(({ results }) => results !== undefined)) return []
    const steps = (recorded: typeof first): ReadonlyArray<Step> =>
      recorded.map(({ message, ok, params, rows, sql, sqlstate }) => ({
        sql,
        params: params === undefined ? undefined : unbound(params),
        expected:
          ok === null
            ? { sqlstate: sqlstate ?? "", message: message ?? undefined }
            : { ok, rows: isJob(ok) ? undefined : (rows ?? undefined) }
      }))
    return [
      {
        id,
        group,
        asks: "as recorded",
        sessions: second === undefined ? [steps(first)] : [steps(first), steps(second)],
        order: order?.map(([session]) => session) ?? first.map(() => 0)
      }
    ]
  })
})
