/**
 * What somebody saw of a real cluster, or AWS wrote of one, beyond the recorded answers: the form of
 * `recordings/claims.tsv`, which this package carries.
 *
 * @since 0.1.0
 * @stability unstable
 */

/**
 * What a claim says of the last of its statements: that it is taken, that it is refused, with an SQLSTATE and a message
 * where they are known, that the rows are these, or that they hold this text.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer =
  | { readonly _tag: "Accepted" }
  | { readonly _tag: "Refused"; readonly sqlstate: string | undefined; readonly message: string | undefined }
  | { readonly _tag: "Value"; readonly text: string }
  | { readonly _tag: "Text"; readonly text: string }

/**
 * One claim.
 *
 * @since 0.1.0
 * @category models
 */
export interface Claim {
  readonly id: string
  readonly topic: string
  /** Statements that run before, each by itself. */
  readonly setup: ReadonlyArray<string>
  /** Statements of one session; `{job}` in one is the id of the job that was submitted last. */
  readonly statements: ReadonlyArray<string>
  readonly answer: Answer
  readonly source: string
  readonly date: string
  /** Who says so: `cluster-recorded`, `aws-code`, `aws-doc`, `third-party-code` or `inferred`. */
  readonly confidence: string
  /** What the connection asks for as it begins. */
  readonly options: string | undefined
}

/** `«text with {k}|separator|from..to»` stands for one piece for each k. */
const expanded = (sql: string): string =>
  sql.replaceAll(
    /«([^«»]*?)\|([^|«»]*)\|(\d+)\.\.(\d+)»/g,
    (_, text: string, separator: string, from: string, to: string) =>
      Array.from({ length: Number(to) - Number(from) + 1 }, (_, n) =>
        text.replaceAll(/\{(?:(\d+)\+)?k\}/g, (_, base: string | undefined) =>
          String(Number(from) + n + Number(base ?? 0))
        )
      ).join(separator)
  )

const statementsOf = (sql: string): ReadonlyArray<string> =>
  expanded(sql)
    .split(";;")
    .filter((statement) => statement.trim() !== "")

const answerOf = (answer: string, message: string): Answer => {
  const [, kind, text = ""] = /^(value|text): (.*)$/.exec(answer) ?? []
  if (kind === "value") return { _tag: "Value", text }
  if (kind === "text") return { _tag: "Text", text }
  if (answer === "00000") return { _tag: "Accepted" }
  return {
    _tag: "Refused",
    sqlstate: answer === "refused" ? undefined : answer,
    message: message === "" ? undefined : message
  }
}

/**
 * Reads a table of claims: tab-separated, a claim a row, below a row with the names of the columns.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): ReadonlyArray<Claim> =>
  text
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => {
      const [id = "", topic = "", setup = "", statement = "", answer = "", message = "", source = "", ...rest] =
        line.split("\t")
      const [date = "", confidence = ""] = rest
      const options = /^\[connect: options=(.*)\]$/.exec(setup)?.[1]
      return {
        id,
        topic,
        setup: options === undefined ? statementsOf(setup) : [],
        statements: statementsOf(statement.replace(/ \[data:.*\]$/, "")),
        answer: answerOf(answer, message),
        source,
        date,
        confidence,
        options
      }
    })

/**
 * How an answer differs from what a claim says; undefined where it does not. `rows` are in PostgreSQL's text form.
 *
 * @since 0.1.0
 * @category comparing
 */
export const difference = (
  claim: Answer,
  answer:
    | { readonly rows: ReadonlyArray<ReadonlyArray<string | null>> | null }
    | { readonly sqlstate: string; readonly message: string }
): string | undefined => {
  if (claim._tag === "Refused") {
    const { message, sqlstate } = claim
    if (!("sqlstate" in answer)) return `accepted, not ${[sqlstate ?? "refused", message ?? ""].join(" ").trimEnd()}`
    const isSame = (sqlstate ?? answer.sqlstate) === answer.sqlstate && (message ?? answer.message) === answer.message
    return isSame ? undefined : `${answer.sqlstate} ${answer.message}, not ${sqlstate} ${message ?? ""}`.trimEnd()
  }
  if ("sqlstate" in answer) return `refused: ${answer.sqlstate} ${answer.message}`
  const shown = (answer.rows ?? []).map((row) => row.map((value) => value ?? "").join("|")).join("\n")
  switch (claim._tag) {
    case "Accepted":
      return undefined
    case "Value":
      return shown === claim.text ? undefined : `value ${shown}, not ${claim.text}`
    case "Text":
      return shown.includes(claim.text) ? undefined : `${shown} without ${claim.text}`
  }
}
