/**
 * What a server answered, one question a line: the form of `recordings/probes.jsonl`, which this package carries, and
 * of the files that `effect-dsql probe --record` writes.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const Rows = Schema.NullOr(Schema.Array(Schema.Array(Schema.NullOr(Schema.String))))

/**
 * Arrays that were bound to parameters: numbers, and bytes as hexadecimal digits.
 *
 * @since 0.1.0
 * @category models
 */
export const Bound = Schema.Array(Schema.Array(Schema.Union([Schema.Number, Schema.Struct({ bytes: Schema.String })])))

/**
 * A statement and its answer: a command tag in `ok`, or an SQLSTATE with its message. Rows are in PostgreSQL's text form.
 *
 * @since 0.1.0
 * @category models
 */
export const Step = Schema.Struct({
  sql: Schema.String,
  ok: Schema.NullOr(Schema.String),
  sqlstate: Schema.NullOr(Schema.String),
  message: Schema.NullOr(Schema.String),
  rows: Rows,
  params: Schema.optional(Bound),
  /** Answers of several statements in one message. */
  results: Schema.optional(Schema.Array(Schema.Struct({ ok: Schema.String, rows: Rows })))
})

/**
 * A question of one session or of two; those of the group `setup` make what others are about.
 *
 * @since 0.1.0
 * @category models
 */
export const Question = Schema.Struct({
  id: Schema.String,
  group: Schema.String,
  sessions: Schema.Union([Schema.Tuple([Schema.Array(Step)]), Schema.Tuple([Schema.Array(Step), Schema.Array(Step)])]),
  /** Which session says which of its steps, one after the other; of one session it is left out. */
  order: Schema.optional(Schema.Array(Schema.Tuple([Schema.Literals([0, 1]), Schema.Int]))),
  /** The answer depends on the schema that it is asked in, or on what no schema holds. */
  elsewhere: Schema.optional(Schema.Boolean),
  note: Schema.optional(Schema.String)
})

/**
 * A line that is no question; lines count from 1.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidLine extends Data.TaggedError("InvalidLine")<{ readonly line: number }> {}

const Line = Schema.fromJsonString(Question)
const decode = Schema.decodeUnknownEffect(Line)
const encode = Schema.encodeSync(Line)

/**
 * Reads a recording; lines of space alone are left out.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Effect.Effect<ReadonlyArray<typeof Question.Type>, InvalidLine> =>
  Effect.forEach(
    text.split("\n").flatMap((line, i) => (line.trim() === "" ? [] : [{ line, number: i + 1 }])),
    ({ line, number }) => Effect.mapError(decode(line), () => new InvalidLine({ line: number }))
  )

/**
 * Writes a recording.
 *
 * @since 0.1.0
 * @category formatting
 */
export const format = (questions: ReadonlyArray<typeof Question.Type>): string =>
  questions.map((question) => `${encode(question)}\n`).join("")

/**
 * Whether the rows of an answer are others each time: ids of jobs and what is left of them, the name of the database,
 * ids of processes, plans.
 *
 * @since 0.1.0
 * @category comparing
 */
export const isVolatile = (sql: string): boolean =>
  /job_id|sys\.jobs|INDEX ASYNC|ALTER TABLE ASYNC|current_database|pg_backend_pid|^EXPLAIN\b/i.test(sql)
