/**
 * A recording as questions: a server is to answer them as the recorded one did. And answers as a recording.
 */
import { Recording, Statement } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type { Answer, Probe, Step } from "./probe.ts"

type Question = typeof Recording.Question.Type
type Params = NonNullable<Step["params"]>

const bound = (params: Params): typeof Recording.Bound.Type =>
  params.map((values) =>
    values.map((value) => (typeof value === "number" ? value : { bytes: Buffer.from(value).toString("hex") }))
  )

const unbound = (params: typeof Recording.Bound.Type): Params =>
  params.map((values) => values.map((value) => (typeof value === "number" ? value : Buffer.from(value.bytes, "hex"))))

const recorded = ({ params, sql }: Step, answer: Answer | undefined): typeof Recording.Step.Type => {
  const asked = params === undefined ? { sql } : { sql, params: bound(params) }
  if (answer !== undefined && "ok" in answer) {
    return { ...asked, ok: answer.ok, sqlstate: null, message: null, rows: answer.rows }
  }
  const refused = answer !== undefined && "sqlstate" in answer ? answer : { sqlstate: null, message: null }
  return { ...asked, ok: null, sqlstate: refused.sqlstate, message: refused.message, rows: null }
}

/** A question of a recording; none where an answer could not be read, or where what counts is how it was sent. */
export const question = (
  probe: Probe,
  answers: ReadonlyArray<ReadonlyArray<Answer>>
): Question | ReadonlyArray<never> => {
  if (probe.together !== undefined) return []
  if (answers.flat().some((answer) => "unread" in answer)) return []
  const next: [number, number] = [0, 0]
  const said = (session: 0 | 1) =>
    (probe.sessions[session] ?? []).map((step, i) => recorded(step, answers[session]?.[i]))
  const about = { id: probe.id, group: probe.group }
  return probe.sessions.length === 1
    ? { ...about, sessions: [said(0)] }
    : {
        ...about,
        sessions: [said(0), said(1)],
        order: probe.order.map((session) => [session, next[session]++] as const)
      }
}

/** What defines something answers with the id of a job, if with anything: another one each time. */
const isJob = (tag: string): boolean => tag === "CREATE INDEX" || tag === "ALTER TABLE"

const step = ({ message, ok, params, rows, sql, sqlstate }: typeof Recording.Step.Type): Step => ({
  sql,
  params: params === undefined ? undefined : unbound(params),
  expected:
    ok === null
      ? { sqlstate: sqlstate ?? "", message: message ?? undefined }
      : { ok, rows: isJob(ok) || Recording.isVolatile(sql) ? undefined : (rows ?? undefined) }
})

const probe = ({ group, id, order, sessions: [first, second] }: Question): Probe => ({
  id,
  group,
  asks: "as recorded",
  sessions: second === undefined ? [first.map(step)] : [first.map(step), second.map(step)],
  order: order?.map(([session]) => session) ?? first.map(() => 0)
})

/** Whether a text is one statement, or none that can be parsed: the driver sends no more in one message. */
const isOne = (sql: string): Effect.Effect<boolean> =>
  Statement.parse(sql).pipe(
    Effect.map((statements) => statements.length < 2),
    Effect.orElseSucceed(() => true)
  )

/** The questions of a recording, but for what depends on another schema than the one that they are asked in. */
export const probes = (questions: ReadonlyArray<Question>): Effect.Effect<ReadonlyArray<Probe>> =>
  Effect.filter(questions, ({ elsewhere, sessions }) =>
    elsewhere === true
      ? Effect.succeed(false)
      : Effect.map(
          Effect.forEach(sessions.flat(), ({ sql }) => isOne(sql)),
          (each) => each.every(Boolean)
        )
  ).pipe(Effect.map((asked) => asked.map(probe)))
