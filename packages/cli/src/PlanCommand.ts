/**
 * `plan`: what a run would do, without doing it.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { Plan } from "@effect-dsql/schema/Plan"
import { Command } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Connection from "./Connection.ts"
import * as Json from "./Json.ts"
import * as Migrating from "./internal/migrating.ts"
import * as Output from "./Output.ts"
import * as Root from "./Root.ts"

/**
 * Prints a `Json.Plan`, whose steps have their SQL.
 *
 * @since 0.1.0
 * @category commands
 */
export const plan = Command.make(
  "plan",
  { ...Migrating.versionFlag("Version to end at [default: the latest]"), ...Migrating.sourceFlags },
  Effect.fnUntraced(function* (input) {
    const shared = yield* Root.shared
    const version = yield* Migrating.version(input.version)
    const settings = yield* Connection.settings(shared)
    const { database, source } = yield* Migrating.sourceOf(input, shared)
    const found = yield* Migrating.migrate(settings, (migrator) => migrator.plan({ source, version, database }))
    yield* Output.print(shared, Json.Plan, found, (paint) => text(found, paint))
  })
).pipe(
  Command.withDescription(`Show what update-schema would run, or setup-schema where nothing is set up; writes nothing.

  It reads in one READ ONLY transaction, which the database itself keeps from writing.`),
  Command.withShortDescription("Show what would run; writes nothing"),
  Command.withExamples([
    { command: "effect-dsql plan --endpoint abc.dsql.us-east-1.on.aws", description: "What would an update do?" },
    {
      command: "effect-dsql plan --schema-dir ./schema --format json",
      description: "The same of a schema of your own, with each statement's SQL"
    }
  ])
)

const text = ({ changes, from, schema, steps, to }: Plan, paint: Output.Paint): string => {
  if (!changes) return `${schema} is at ${to}: there is nothing to do`
  const route =
    from === null ? `would be set up at ${to}` : from === to ? `is at ${to}` : `would go from ${from} to ${to}`
  const run = steps.filter(({ action }) => action === "run").length
  const present = steps.length - run
  const head = `${schema} ${route}: ${Output.counted(run, "statement")} to run${
    present === 0 ? "" : `, ${present} there already`
  }`
  const rows = steps.map((step) => [
    `  ${step.version}`,
    step.action === "run" ? paint("attention", "run    ") : paint("good", "present"),
    step.summary,
    step.location
  ])
  return rows.length === 0 ? head : `${head}\n${Output.aligned(rows)}`
}
