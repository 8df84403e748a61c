/**
 * `cluster prune`: forgets what a cluster has finished.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { Command, Flag } from "effect/cli"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Connection from "./Connection.ts"
import * as Failure from "./Failure.ts"
import { InvalidUsage } from "./Failure.ts"
import * as Clustering from "./internal/clustering.ts"
import { confirm } from "./internal/confirm.ts"
import * as Migrating from "./internal/migrating.ts"
import * as Json from "./Json.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"
import * as Root from "./Root.ts"

/** The most requests that one transaction forgets, as `Retention` has it. */
const atOnce = 300

/**
 * Prints a `Json.Pruning`.
 *
 * @since 0.1.0
 * @category commands
 */
export const clusterPrune = Command.make(
  "prune",
  {
    ...Clustering.prefixFlag,
    olderThan: Flag.String("older-than").pipe(
      Flag.withMetavar("time"),
      Flag.withDescription(
        "Forget what was finished longer ago than this by the database's clock, such as 30d, 12h or 90m: how long an idempotency key lasts"
      )
    ),
    batch: Flag.Int("batch").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: atOnce }))),
      Flag.withMetavar("requests"),
      Flag.withDescription(`How many one transaction forgets at most, 1 to ${atOnce} [default: ${atOnce}]`),
      Flag.withDefault(atOnce)
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Count what would be forgotten, and change nothing"),
      Flag.withDefault(false)
    ),
    ...Migrating.yesFlag("prune")
  },
  Effect.fnUntraced(function* ({ batch, dryRun, olderThan, prefix, yes }) {
    const shared = yield* Root.shared
    const age = yield* ageOf(olderThan)
    const settings = yield* Connection.settings(shared)
    const Retention = yield* Effect.promise(() => import("@effect-dsql/cluster/Retention"))
    const tally = yield* Progress.counting(shared, "request", dryRun ? "counted" : "forgotten")
    const report = yield* Clustering.inCluster(prefix, shared, settings, ({ at, prefix }) =>
      Effect.gen(function* () {
        const options = { prefix, finishedBefore: DateTime.subtract(at, { milliseconds: age }) }
        const since = DateTime.formatIso(options.finishedBefore)
        if (dryRun || !yes) {
          const counted = Retention.count(options)
          const requests = yield* Stream.runSum(dryRun ? Stream.tap(counted, tally.add) : counted)
          const found = { cluster: prefix, finishedBefore: options.finishedBefore, requests, dryRun: true }
          if (dryRun || requests === 0) return { ...found, dryRun }
          yield* confirm(
            shared.format,
            "prune",
            `forget ${Output.counted(requests, "request")} of ${prefix}, finished before ${since}, for good: whoever sends one of them again has it run again`
          )
        }
        const requests = yield* Stream.runSum(Stream.tap(Retention.prune({ ...options, batch }), tally.add))
        return { cluster: prefix, finishedBefore: options.finishedBefore, requests, dryRun: false }
      })
    ).pipe(
      Effect.ensuring(tally.end),
      Effect.onInterrupt(() => {
        // Below the ^C that a terminal shows.
        if (process.stderr.isTTY === true) process.stderr.write("\n")
        return Output.failure(shared, Failure.interrupted(tally.came()), undefined)
      })
    )
    yield* Output.print(shared, Json.Pruning, report, () => {
      const before = `finished before ${DateTime.formatIso(report.finishedBefore)}`
      const requests = Output.counted(report.requests, "request")
      return report.dryRun
        ? `${report.cluster}: ${requests} would be forgotten, ${before}`
        : `${report.cluster}: ${requests} forgotten, ${before}`
    })
  })
).pipe(
  Command.withDescription(`Forget a cluster's finished requests, with their keys and replies, in transactions of ${atOnce} at most. A workflow is
  forgotten as a whole, and never while its run is suspended. After an end of any kind, run it again to go on.
  How old a request may become is how long its idempotency key lasts: who sends one again that was forgotten has it run
  again, and a workflow that is executed again begins anew.`),
  Command.withShortDescription("Forget finished requests, and with them their idempotency keys"),
  Command.withExamples([
    {
      command: "effect-dsql cluster prune --prefix orders --older-than 30d --dry-run",
      description: "How many would go?"
    },
    { command: "effect-dsql cluster prune --prefix orders --older-than 30d --yes", description: "Once a day, by cron" }
  ])
)

const units: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds; a hundred years are more than any retention. */
const ageOf = (text: string): Effect.Effect<number, InvalidUsage> => {
  const [, count, unit = ""] = /^(\d{1,9})([mhd])$/.exec(text) ?? []
  const age = Number(count) * (units[unit] ?? Number.NaN)
  return age > 0 && age <= 36_525 * 86_400_000
    ? Effect.succeed(age)
    : Effect.fail(
        new InvalidUsage({
          message: `--older-than ${JSON.stringify(text)} is no time: give a number of minutes, hours or days, such as 90m, 12h or 30d`
        })
      )
}
