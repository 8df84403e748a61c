/**
 * `simulate`: what retry policies make of contention, or how long many processes take to connect, in virtual time.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { Command, Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Connection from "./Connection.ts"
import { InvalidUsage } from "./Failure.ts"
import * as Files from "./internal/files.ts"
import * as Output from "./Output.ts"
import * as Root from "./Root.ts"

const number = (name: string, standard: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("number"),
    Flag.withDescription(`${description} [default: ${standard}]`),
    Flag.withDefault(standard)
  )

/**
 * Prints one `Outcome` of `@effect-dsql/simulator/Contention` for each number of
 * contenders and each policy, or, with `--connections`, one of
 * `@effect-dsql/simulator/Connecting`. As JSON it is `{"seed": …, "outcomes": [Outcome]}`.
 *
 * @since 0.1.0
 * @category commands
 */
export const simulate = Command.make(
  "simulate",
  {
    contenders: number("contenders", "10,100", "Callers that begin at once; several numbers for several scenarios"),
    processes: number("processes", "1", "Processes that they are spread over; several numbers likewise"),
    transactions: number("transactions", "1", "Transactions that each client runs, one after the other"),
    hotKeys: number("hot-keys", "1", "Rows that they contend for"),
    latency: number("latency", "20", "Milliseconds of a round trip"),
    commit: number("commit", "10", "Milliseconds that a COMMIT takes at the cluster until it is decided"),
    runs: number("runs", "20", "How often each scenario is run"),
    seed: Flag.String("seed").pipe(
      Flag.withDescription("The same seed gives the same results [default: 1]"),
      Flag.withDefault("1")
    ),
    policies: Flag.String("policy").pipe(
      Flag.withDescription(
        "effect-dsql, effect-dsql-queue, effect-dsql-group, aws-connector, aws-drizzle, or settings such as base=20,cap=2000,attempts=20,jitter=full,queue=on,group=50,quota=500,form=finish; may be repeated [default: all five]"
      ),
      Flag.atLeast(0)
    ),
    connections: Flag.String("connections").pipe(
      Flag.withMetavar("processes x connections"),
      Flag.withDescription(
        "Simulate connecting instead, such as 20x100 for 20 processes with 100 connections each; several with commas"
      ),
      Flag.optional
    ),
    budget: number("budget", "9000", "With --connections: connections that all processes may have together"),
    svg: Flag.String("svg").pipe(
      Flag.withMetavar("file"),
      Flag.withDescription("Draw the results into this file as well"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* (input) {
    const shared = yield* Root.shared
    yield* Connection.connectsToNothing(yield* Root.root, "simulate")
    if (Option.isSome(input.connections))
      return yield* connecting(shared, { ...input, connections: input.connections.value })
    const { Chart, Contention, Policies, Table } = yield* Effect.promise(() => import("@effect-dsql/simulator"))
    const policies =
      input.policies.length === 0
        ? Policies.all
        : yield* Effect.mapError(Effect.forEach(input.policies, Policies.parse), invalid)
    const { fields } = Contention.Scenario
    const common = {
      transactions: yield* inRange("transactions", fields.transactions, input.transactions),
      hotKeys: yield* inRange("hot-keys", fields.hotKeys, input.hotKeys),
      latency: yield* inRange("latency", fields.latency, input.latency),
      commit: yield* inRange("commit", fields.commit, input.commit),
      runs: yield* inRange("runs", fields.runs, input.runs),
      seed: input.seed
    }
    const contenders = yield* Effect.forEach(input.contenders.split(","), (text) =>
      inRange("contenders", fields.contenders, text)
    )
    const processes = yield* Effect.forEach(input.processes.split(","), (text) =>
      inRange("processes", fields.processes, text)
    )
    // More processes than contenders are as many as there are contenders.
    const scenarios = contenders.flatMap((contenders) =>
      [...new Set(processes.map((count) => Math.min(count, contenders)))].map((processes) =>
        Object.assign({ contenders, processes }, common)
      )
    )
    const outcomes = yield* Effect.forEach(scenarios, (scenario) =>
      Effect.forEach(policies, (policy) => Contention.simulate(scenario, policy))
    )
    if (Option.isSome(input.svg)) {
      const files = yield* FileSystem.FileSystem
      const path = input.svg.value
      yield* Effect.mapError(files.writeFileString(path, Chart.render(outcomes.flat())), Files.unreadableAt(path))
    }
    const json = Schema.Struct({ seed: Schema.String, outcomes: Schema.Array(Contention.Outcome) })
    const results = outcomes.flat()
    yield* Output.print(shared, json, { seed: input.seed, outcomes: results }, () => Table.render(results))
  })
).pipe(
  Command.annotate(Connection.Takes, []),
  Command.withDescription(
    "Simulate what retry policies make of contention, or how a fleet connects, in virtual time; connects to nothing"
  ),
  Command.withExamples([
    { command: "effect-dsql simulate", description: "The toolkit's policies beside those that AWS ships" },
    {
      command: "effect-dsql simulate --contenders 50 --latency 5 --policy effect-dsql --policy base=50,cap=5000",
      description: "A policy of your own, for a cluster that is near"
    },
    {
      command: "effect-dsql simulate --contenders 100 --processes 1,10,100 --svg contention.svg",
      description: "As a chart, for one process and for many"
    },
    {
      command: "effect-dsql simulate --connections 20x100,44x500",
      description: "How long a fleet takes to connect, and to come back after half of it was cut"
    }
  ])
)

/** Simulates processes that connect, and prints what became of each scenario. */
const connecting = Effect.fnUntraced(function* (
  shared: Effect.Success<typeof Root.shared>,
  input: { readonly connections: string; readonly budget: string; readonly latency: string; readonly seed: string }
) {
  const { Connecting, Table } = yield* Effect.promise(() => import("@effect-dsql/simulator"))
  const { fields } = Connecting.Scenario
  const scenarios = yield* Effect.forEach(
    input.connections.split(","),
    Effect.fnUntraced(function* (text) {
      const [processes = "", connections = ""] = text.split("x")
      return {
        processes: yield* inRange("connections", fields.processes, processes),
        connections: yield* inRange("connections", fields.connections, connections),
        budget: yield* inRange("budget", fields.budget, input.budget),
        latency: yield* inRange("latency", fields.latency, input.latency),
        seed: input.seed
      }
    })
  )
  const outcomes = yield* Effect.forEach(scenarios, Connecting.simulate)
  const json = Schema.Struct({ seed: Schema.String, outcomes: Schema.Array(Connecting.Outcome) })
  yield* Output.print(shared, json, { seed: input.seed, outcomes }, () => Table.renderConnecting(outcomes))
})

/** Reads a number that has a range. */
const inRange = (flag: string, range: Schema.Decoder<number>, text: string) =>
  Effect.mapError(Schema.decodeUnknownEffect(range)(text.trim() === "" ? Number.NaN : Number(text)), ({ message }) =>
    invalid(new Error(`--${flag} cannot be ${JSON.stringify(text)}: ${message.replaceAll(/\s+/g, " ")}`))
  )

const invalid = (error: Error) => new InvalidUsage({ message: error.message })
