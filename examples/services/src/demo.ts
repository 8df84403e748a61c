/**
 * The whole backend with one command: five processes on a local Aurora DSQL, orders from their start to their end,
 * shards that move meanwhile, and what happened.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect } from "effect"
import * as Backend from "./Backend.ts"
import * as Scenario from "./Scenario.ts"
import { refusedStatements } from "./Statements.ts"

const demo = Effect.gen(function* () {
  yield* Console.log("Starting a local Aurora DSQL and five processes ...")
  const backend = yield* Backend.start
  const { frontend, histories, matching, worker } = backend.processes
  for (const [role, { url }] of [
    ["frontend", frontend],
    ...histories.map((history) => ["history", history] as const),
    ["matching", matching],
    ["worker", worker]
  ] as const) {
    yield* Console.log(`  ${role.padEnd(10)}${url}   ${url}/health   ${url}/metrics`)
  }
  yield* Console.log("\nSix orders of three rounds each, and an activity that stands alone, while shards move:")
  const { activity, moves, orders, runs } = yield* Scenario.run(backend, { orders: 6, rounds: 3 })
  for (const [index, { events, id, result, status }] of orders.entries()) {
    const count = runs[index]?.length ?? 0
    yield* Console.log(`  ${id.padEnd(10)}${status}, ${count} runs, ${JSON.stringify(result)}: ${events.join(" ")}`)
  }
  yield* Console.log(`  ${activity.id.padEnd(10)}${activity.status}, ${JSON.stringify(activity.result)}`)
  yield* Console.log(`\nShards were taken ${moves} times meanwhile.`)
  const { refused, total } = yield* refusedStatements(backend.emulator)
  yield* Console.log(`${total} statements reached the database; Aurora DSQL refuses ${refused.length} of them.`)
}).pipe(Effect.scoped)

const help = `pnpm services: a backend of four roles in five processes on a local Aurora DSQL; six orders from their start
to their end while shards move, and how many of their statements Aurora DSQL would refuse
`

const [asked] = process.argv.slice(2)

if (asked === "--help" || asked === "-h") {
  process.stdout.write(help)
} else if (asked === undefined) {
  NodeRuntime.runMain(Effect.provide(demo, NodeServices.layer))
} else {
  process.stderr.write(`services takes no arguments, not ${asked}\n`)
  process.exitCode = 2
}
