/**
 * Effect Workflow on a local Aurora DSQL: two runners and a client, one runner killed, one stopped and woken, who held
 * which shard when, and what must hold nevertheless.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Data, Effect, Layer } from "effect"
import * as Cluster from "./Cluster.ts"
import * as Journal from "./Journal.ts"
import * as Report from "./Report.ts"

/** Something that was promised does not hold. */
class PromiseBroken extends Data.TaggedError("PromiseBroken")<{ readonly message: string }> {}

const narrated = Journal.layer((event) => {
  const line = Report.line(event)
  return line === undefined ? Effect.void : Console.log(line)
})

const demo = Effect.fnUntraced(function* (fenced: boolean) {
  yield* Console.log("Starting a local Aurora DSQL, two runners and a client ...\n")
  const { checks, events } = yield* Cluster.run({ orders: 8, fenced })
  yield* Console.log(`\nWho held which shard when:\n${Report.chart(events)}\n\n${Report.verdict(checks)}`)
  const broken = checks.filter((check) => check.broken.length > 0).map(({ promise }) => promise)
  if (broken.length > 0) return yield* new PromiseBroken({ message: `broken: ${broken.join(", ")}` })
})

const help = `pnpm workflows [--without-fence]: orders as workflows on two runners, one of which is killed and one stopped past
its lease; who held which shard when; and whether each activity's effect is there once. Without the fence of
its shard (ClusterFence) the runner that was stopped writes what another one has written, and the exit code is 1
`

// Whoever read it has gone (SIGPIPE), or its disk is full: the processes end with this one.
process.stdout.once("error", ({ code }: NodeJS.ErrnoException) => process.exit(code === "EPIPE" ? 141 : 1))

const [asked, more] = process.argv.slice(2)

if (asked === "--help" || asked === "-h") {
  process.stdout.write(help)
} else if (more === undefined && (asked === undefined || asked === "--without-fence")) {
  demo(asked === undefined).pipe(
    Effect.catchTag("PromiseBroken", ({ message }) =>
      Effect.andThen(
        Console.error(message),
        Effect.sync(() => (process.exitCode = 1))
      )
    ),
    Effect.provide(Layer.provideMerge(narrated, NodeServices.layer)),
    NodeRuntime.runMain
  )
} else {
  process.stderr.write(`workflows takes --without-fence or nothing, not ${process.argv.slice(2).join(" ")}\n`)
  process.exitCode = 2
}
