/**
 * `repair`: the explicit ways out of what a migration refuses to decide.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { Repair } from "@effect-dsql/schema/Repair"
import { Command, Flag } from "effect/cli"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { confirm } from "./internal/confirm.ts"
import * as Connection from "./Connection.ts"
import { ExitCode } from "./ExitCode.ts"
import * as Json from "./Json.ts"
import * as Migrating from "./internal/migrating.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"
import * as Root from "./Root.ts"
import * as Stop from "./Stop.ts"

const choice = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

/**
 * Prints a `Json.Repair`, and ends with 1 where something is left to repair.
 *
 * @since 0.1.0
 * @category commands
 */
export const repair = Command.make(
  "repair",
  {
    rebuild: choice("rebuild", "Drop the schema's invalid indexes, and build them again"),
    accept: choice("accept", "Take the files as they are now for what has run"),
    release: choice("release", "End the lease of another migrator, which then cannot write any more; asks if it lives"),
    ...Migrating.yesFlag("--release"),
    ...Migrating.waitFlag,
    ...Migrating.sourceFlags
  },
  Effect.fnUntraced(function* ({ accept, rebuild, release, wait, yes, ...input }) {
    const shared = yield* Root.shared
    const settings = yield* Connection.settings(shared)
    const { database, source } = yield* Migrating.sourceOf(input, shared)
    const onEvent = yield* Progress.onStandardError(shared)
    const found = yield* Migrating.migrate(settings, (migrator) =>
      Effect.gen(function* () {
        const common = { source, database, lease: { wait }, onEvent }
        if (release && !yes) {
          const { lease } = yield* migrator.repair(common)
          if (lease !== null && !lease.expired) {
            const until = DateTime.formatIso(lease.expires)
            yield* confirm(shared.format, "--release", `end the lease of ${lease.owner}, which lasts until ${until}`)
          }
        }
        return yield* migrator.repair({ ...common, rebuild, accept, release })
      })
    )
    yield* Output.print(shared, Json.Repair, found, (paint) => text(found, paint))
    if (isLeft(found)) return yield* new Stop.Stop({ exitCode: ExitCode.failed })
  })
).pipe(
  Command.withDescription(`Find what a migration refuses to decide, and repair what the flags say: indexes whose build failed, files that
  changed after they ran, the lease of a migrator that is gone. With no flag it only says what it finds.
  Ends with 1 where something is left.`),
  Command.withShortDescription("Find invalid indexes, changed files and a dead migrator's lease, and repair them"),
  Command.withExamples([
    { command: "effect-dsql repair", description: "What needs repair? Changes nothing" },
    {
      command: "effect-dsql repair --rebuild",
      description: "Build the invalid indexes again, once their rows are right"
    },
    { command: "effect-dsql repair --accept", description: "A file was changed on purpose after it ran" }
  ])
)

const isLeft = ({ changes, indexes, lease }: Repair): boolean =>
  indexes.some(({ rebuilt }) => !rebuilt) ||
  changes.some(({ accepted }) => !accepted) ||
  (lease !== null && lease.expired && !lease.released)

const text = ({ changes, indexes, lease, schema }: Repair, paint: Output.Paint): string => {
  const state = (done: boolean, word: string, advice: string) =>
    done ? paint("good", word) : `${paint("bad", "found")}, ${advice}`
  const lines = [
    ...indexes.map(({ collisions, index, location, rebuilt, table }) => {
      const rows = collisions.length === 0 ? "" : `, these rows collide: ${collisions.join("; ")}`
      return `index ${index} on ${table} was invalid (${location})${rows}: ${state(rebuilt, "rebuilt", "correct the rows, then --rebuild")}`
    }),
    ...changes.map(({ accepted, location, ordinal, summary, version }) => {
      const place = location === null ? "is in the files no longer" : `has changed (${location})`
      return `statement ${ordinal} of ${version}, ${summary}, ${place}: ${state(accepted, "accepted", "change it back, or --accept")}`
    }),
    ...(lease === null
      ? []
      : [
          `${lease.owner} has the lease until ${DateTime.formatIso(lease.expires)}${lease.expired ? ", which is over" : ""}: ${
            lease.released ? paint("good", "released") : "--release ends it"
          }`
        ])
  ]
  return lines.length === 0 ? `${schema}: ${paint("good", "nothing to repair")}` : lines.join("\n")
}
