/**
 * Transactions of an emulated Aurora DSQL on a terminal: each one line when it ends, and a conflict a second line that
 * names the row and the rival.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Watch from "@effect-dsql/emulator/Watch"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Options, type Paint, counted } from "./Output.ts"

/**
 * Where transactions come from: those that have changed since a revision, once there are any, or none after a while.
 *
 * @since 0.1.0
 * @category models
 */
export type Source<E> = (after: number) => Effect.Effect<ReadonlyArray<Watch.Transaction>, E>

/** A line is no longer than this, of its statements. */
const longest = 100

const colours = {
  committed: "good",
  conflict: "bad",
  failed: "bad",
  cut: "bad",
  "rolled back": "attention",
  open: "remark"
} as const

/**
 * A transaction in words: when it began, who it was, how it ended, what it came to; and below it whom it met.
 *
 * @since 0.1.0
 * @category conversions
 */
export const text = (transaction: Watch.Transaction, paint: Paint): string => {
  const { attempt, began, conflict, cost, ended = 0, outcome, roundTrips, rows, statements } = transaction
  const told = statements.filter(({ tables }) => tables.length > 0)
  const [first] = told.length > 0 ? told : statements
  const more = told.length > 1 ? ` and ${counted(told.length - 1, "statement")} more` : ""
  const facts = [
    `${ended.toFixed(1)} ms`,
    counted(roundTrips, "round trip"),
    ...(rows > 0 ? [counted(rows, "row")] : []),
    ...(cost.read + cost.write > 0 ? [`${(cost.read + cost.write).toFixed(4)} DPU`] : []),
    ...(attempt > 1 ? [`attempt ${attempt} of #${transaction.first}`] : [])
  ]
  const name = Watch.nameText({ transaction: transaction.id, label: transaction.label })
  const time = new Date(began).toISOString().slice(11, 23)
  const head = `${time}  ${name}  ${paint(colours[outcome], outcome)}  ${facts.join(", ")}`
  const said = first === undefined ? "" : `  ${Watch.lineText(first.sql, longest)}${more}`
  const why =
    conflict === undefined
      ? outcome === "failed"
        ? `\n    ${transaction.sqlstate}: ${Watch.lineText(transaction.message ?? "", 300)}`
        : ""
      : `\n    ${paint("bad", conflict.code)} ${Watch.conflictText(conflict)}`
  return `${head}${said}${why}`
}

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Array(Watch.Transaction)))

/**
 * Reads transactions as an emulator tells them over SQL. An emulator of another version is a defect.
 *
 * @since 0.1.0
 * @category conversions
 */
export const read = (json: string): Effect.Effect<ReadonlyArray<Watch.Transaction>> => Effect.orDie(decode(json))

const encode = Schema.encodeEffect(Watch.Transaction)

/**
 * Prints transactions as they end, from a revision on, for ever; as JSON one on each line.
 *
 * @since 0.1.0
 * @category output
 */
export const follow = <E>(options: Options, source: Source<E>, from: number, paint: Paint): Effect.Effect<never, E> =>
  Effect.gen(function* () {
    let after = from
    while (true) {
      for (const transaction of yield* source(after)) {
        after = Math.max(after, transaction.revision)
        if (transaction.outcome === "open" || options.quiet) continue
        yield* options.format === "json"
          ? Effect.flatMap(Effect.orDie(encode(transaction)), (json) => Console.log(JSON.stringify(json)))
          : Console.log(text(transaction, paint))
      }
    }
  })
