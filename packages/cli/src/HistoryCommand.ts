/**
 * `history`: what has run on a database.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { History } from "@effect-dsql/schema/History"
import { Command } from "effect/cli"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Connection from "./Connection.ts"
import * as Json from "./Json.ts"
import * as Migrating from "./internal/migrating.ts"
import * as Output from "./Output.ts"
import * as Root from "./Root.ts"

/**
 * Prints a `Json.History`.
 *
 * @since 0.1.0
 * @category commands
 */
export const history = Command.make(
  "history",
  {},
  Effect.fnUntraced(function* () {
    const shared = yield* Root.shared
    const settings = yield* Connection.settings(shared)
    const found = yield* Migrating.migrate(settings, (migrator) =>
      migrator.history({ database: shared.dbName ?? shared.project["db-name"] })
    )
    yield* Output.print(shared, Json.History, found, (paint) => text(found, paint))
  })
).pipe(
  Command.withDescription("Show every version and every statement that has run, when, by whom and how it ended"),
  Command.withExamples([
    {
      command: "effect-dsql history --endpoint abc.dsql.us-east-1.on.aws",
      description: "What has run on the cluster?"
    },
    { command: "effect-dsql history --format json", description: "The same for a script, with checksums" }
  ])
)

const text = ({ changes, database, schema, statements }: History, paint: Output.Paint): string => {
  if (changes.length === 0 && statements.length === 0) return `nothing is recorded for database ${database}`
  const versions = changes.map(({ description, from, time, to }) => [
    DateTime.formatIso(time),
    `${from ?? "-"} to ${to ?? "-"}`,
    description ?? ""
  ])
  const rows = statements.map(({ error, finished, job, ordinal, owner, started, statement, version }) => [
    DateTime.formatIso(started),
    `${version} #${ordinal}`,
    error !== null
      ? paint("bad", "failed")
      : finished === null
        ? paint("attention", "open  ")
        : paint("good", "done  "),
    statement,
    `by ${owner}${job === null ? "" : `, job ${job}`}${error === null ? "" : `: ${error}`}`
  ])
  return [
    ...(schema === null ? [] : [`schema ${schema}`]),
    ...(versions.length === 0 ? [] : ["versions, of every --db-name in this database", Output.aligned(versions)]),
    ...(rows.length === 0 ? [] : ["statements", Output.aligned(rows)])
  ].join("\n")
}
