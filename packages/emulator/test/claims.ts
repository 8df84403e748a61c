/**
 * What is known of real clusters beyond the recorded probes: `fixtures/claims.tsv`, one claim a row.
 */
import { readFileSync } from "node:fs"

/** Something that somebody saw of a cluster, or documented. */
export interface Claim {
  readonly id: string
  readonly topic: string
  readonly setup: ReadonlyArray<string>
  readonly statements: ReadonlyArray<string>
  /** `00000`, an SQLSTATE, `refused`, `value: …` or `text: …`. */
  readonly answer: string
  /** The literal message where it is known. */
  readonly message: string
  readonly source: string
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

/** All claims. */
export const claims: ReadonlyArray<Claim> = readFileSync(new URL("fixtures/claims.tsv", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .slice(1)
  .map((line) => {
    const [id = "", topic = "", setup = "", statement = "", answer = "", message = "", source = ""] = line.split("\t")
    const options = /^\[connect: options=(.*)\]$/.exec(setup)?.[1]
    return {
      id,
      topic,
      setup: options === undefined ? statementsOf(setup) : [],
      statements: statementsOf(statement.replace(/ \[data:.*\]$/, "")),
      answer,
      message,
      source,
      options
    }
  })
