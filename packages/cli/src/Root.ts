/**
 * The command that all others hang on, with the flags that they share.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { Command, Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Connection from "./Connection.ts"
import { InvalidUsage } from "./Failure.ts"
import * as Project from "./Project.ts"

/**
 * The command itself, which prints its help.
 *
 * @since 0.1.0
 * @category commands
 */
export const root = Command.make("effect-dsql").pipe(
  Command.withSharedFlags({
    ...Connection.flags,
    format: Flag.Literals("format", ["text", "json", "sarif"]).pipe(
      Flag.withDescription("How results and errors are printed; sarif is for lint alone [default: text]"),
      Flag.withDefault("text")
    ),
    quiet: Flag.Boolean("quiet").pipe(
      Flag.withAlias("q"),
      Flag.withDescription("Print nothing but errors"),
      Flag.withDefault(false)
    ),
    verbose: Flag.Boolean("verbose").pipe(
      Flag.withDescription("Show where in the program an error came from, and what was retried"),
      Flag.withDefault(false)
    ),
    color: Flag.Boolean("color").pipe(
      Flag.withDescription(
        "Colour on a terminal; --no-color, or NO_COLOR in the environment, for none [default: true]"
      ),
      Flag.withDefault(true)
    ),
    dbName: Flag.String("db-name").pipe(
      Flag.withMetavar("name"),
      Flag.withDescription(
        "Name that the version is recorded under [default: postgres, as the earlier tool wrote it; a built-in schema but the first has its own]"
      ),
      Flag.optional
    )
  }),
  Command.withDescription(`Set up, update and check the schema of an Aurora DSQL cluster, or of a PostgreSQL server for development; lint SQL
  for it; run one on this machine.

  A host that ends in .dsql.<region>.on.aws is a cluster: it takes an IAM token, signed with the credentials that
  AWS's own tools find. Any other host is a PostgreSQL server, whose password is read from SQL_PASSWORD.

  What is always the same stands in effect-dsql.json, in this directory or one above it: endpoint, port, user, database,
  region, tls, db-name and schema-dir. Flags and the environment win over it.

  Exit codes: 0 done, or nothing to do; 1 the work failed, run again to go on, or lint, verify, repair, doctor or
  probe found something; 2 bad flags, environment or files; 3 cannot connect or authenticate; 4 not set up, not up to date,
  incompatible, or another schema; 70 a defect; 74 the output could not be written; 129 terminal closed; 130 interrupted; 141 reader gone.`)
)

/**
 * The shared flags with what the project's file says, for a command that prints text or JSON and nothing else.
 *
 * @since 0.1.0
 * @category accessors
 */
export const shared = Effect.gen(function* () {
  const { dbName, format, ...flags } = yield* root
  if (format === "sarif") {
    return yield* new InvalidUsage({ message: "--format sarif is for lint alone: give text or json" })
  }
  const project = yield* Project.read
  return { ...flags, format, project, dbName: Option.getOrUndefined(dbName) }
})
