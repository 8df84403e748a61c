/**
 * `cluster status`: who runs, who holds which shard, and what waits.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { ClusterStatus, Shard } from "@effect-dsql/cluster/ClusterStatus"
import { Command } from "effect/cli"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Connection from "./Connection.ts"
import * as Clustering from "./internal/clustering.ts"
import * as Json from "./Json.ts"
import * as Output from "./Output.ts"
import * as Root from "./Root.ts"

/**
 * Prints a `Json.ClusterStatus`.
 *
 * @since 0.1.0
 * @category commands
 */
export const clusterStatus = Command.make(
  "status",
  Clustering.prefixFlag,
  Effect.fnUntraced(function* ({ prefix }) {
    const shared = yield* Root.shared
    const settings = yield* Connection.settings(shared)
    const Inspection = yield* Effect.promise(() => import("@effect-dsql/cluster/Inspection"))
    const found = yield* Clustering.inCluster(prefix, shared, settings, Inspection.status)
    yield* Output.print(shared, Json.ClusterStatus, found, (paint) => text(found, paint))
  })
).pipe(
  Command.withDescription(`Show a cluster's runners, who holds which shard and for how long its lease lasts, the message that has been due
  for longest, and how many requests there are. It reads, and writes nothing.`),
  Command.withShortDescription("Show runners, shards with their holders and leases, and what waits"),
  Command.withExamples([
    { command: "effect-dsql cluster status --prefix orders", description: "Does anybody run, and does anything lag?" },
    {
      command: "effect-dsql cluster status --format json",
      description: "The same for a script, with each shard and its fence"
    }
  ])
)

const text = (status: ClusterStatus, paint: Output.Paint): string => {
  const { at, cluster, machineIds, oldest, requests } = status
  const { due, finished, later, more, suspended } = requests
  const facts = Output.aligned([
    ["cluster", `${cluster}, at ${DateTime.formatIso(at)} by the database's clock`],
    ["machine ids", `${machineIds.taken} of ${machineIds.all} leased, by all clusters of the database`],
    [
      "requests",
      `${due} due, ${later} for later, ${suspended} suspended, ${finished}${more ? " and more" : ""} finished and kept`
    ],
    [
      "oldest due",
      oldest === null
        ? "none"
        : `for ${span(oldest.age)}: ${Output.plain(`${oldest.entityType} ${oldest.entityId}`)} on ${oldest.shard}, request ${oldest.requestId}`
    ]
  ])
  return [facts, ...runnersIn(status, paint), ...shardsIn(status, paint)].join("\n")
}

const runnersIn = ({ runners }: ClusterStatus, paint: Output.Paint): ReadonlyArray<string> =>
  runners.length === 0
    ? ["runners: none"]
    : [
        "runners",
        Output.aligned(
          runners.map(({ address, healthy, leaseLeft, left, machineId }) => [
            `  ${Output.plain(address)}`,
            `machine id ${machineId}`,
            left
              ? paint("attention", "has left")
              : leaseLeft <= 0
                ? paint("bad", "gone")
                : healthy
                  ? paint("good", "healthy")
                  : paint("bad", "unhealthy"),
            lease(leaseLeft)
          ])
        )
      ]

/** Shards that one incarnation holds are renewed together: they are one line, with the lease that is over first. */
const shardsIn = ({ shards }: ClusterStatus, paint: Output.Paint): ReadonlyArray<string> => {
  const held = [...Map.groupBy(shards, ({ holder }) => holder?.owner ?? null)]
  if (held.length === 0) return ["shards: none has been held"]
  const lines = held
    .map(([, shards]) => ({ shards, holder: shards[0]?.holder ?? null }))
    .map(({ holder, shards }) => {
      const left = Math.min(...shards.flatMap(({ holder }) => holder?.leaseLeft ?? []))
      const address = Output.plain(holder?.address ?? "")
      const who = holder === null ? paint("attention", "given back") : left > 0 ? address : paint("bad", address)
      return [`  ${who}`, Output.counted(shards.length, "shard"), holder === null ? "" : lease(left), ranges(shards)]
    })
  return ["shards", Output.aligned(lines)]
}

const lease = (left: number): string => (left > 0 ? `lease for ${span(left)}` : `lease over for ${span(-left)}`)

const units = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"]
] as const

/** A time in its largest unit, cut off. The database's clocks may differ, so that something has begun in a moment. */
const span = (millis: number): string => {
  const [size, unit] = units.find(([size]) => millis >= size) ?? [1, "ms"]
  return `${Math.max(0, Math.floor(millis / size))} ${unit}`
}

/** How many ranges of a group are named: Sharding strews shards, and a line has its end. */
const named = 10

/** Shards of one group that follow upon each other, as `default:1-100,205`, and `…` for all that come after them. */
const ranges = (shards: ReadonlyArray<Shard>): string => {
  const groups = Map.groupBy(
    shards.map(({ shard }) => /^(.*):(\d+)$/.exec(shard)).filter((parts) => parts !== null),
    ([, group = ""]) => group
  )
  return [...groups]
    .map(([group, parts]) => {
      const numbers = parts.map(([, , number]) => Number(number)).toSorted((a, b) => a - b)
      const runs: Array<{ readonly from: number; to: number }> = []
      for (const number of numbers) {
        const run = runs.at(-1)
        if (run !== undefined && number === run.to + 1) run.to = number
        else runs.push({ from: number, to: number })
      }
      const shown = runs.slice(0, named).map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`))
      return `${group}:${[...shown, ...(runs.length > named ? ["…"] : [])].join(",")}`
    })
    .join(" ")
}
