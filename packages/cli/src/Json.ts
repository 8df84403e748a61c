/**
 * What each command prints with `--format json`: one value of one of these
 * schemas, on one line. What is printed is encoded with them, so a program that
 * decodes with them reads all there is. A field is only ever added.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Schema from "effect/Schema"
import { ExitCode } from "./ExitCode.ts"

/**
 * `cluster status`: who runs, who holds which shard, and what waits.
 *
 * @since 0.1.0
 * @category schemas
 */
export { ClusterStatus } from "@effect-dsql/cluster/ClusterStatus"

/**
 * `verify`: how the database is not what the version says.
 *
 * @since 0.1.0
 * @category schemas
 */
export { Verification } from "@effect-dsql/schema/Difference"

/**
 * `history`: what has run.
 *
 * @since 0.1.0
 * @category schemas
 */
export { History } from "@effect-dsql/schema/History"

/**
 * `setup-schema`, `update-schema` and `baseline`: what they did.
 *
 * @since 0.1.0
 * @category schemas
 */
export { Report } from "@effect-dsql/schema/Migration"

/**
 * `plan`: what `update-schema`, or `setup-schema` where nothing is recorded, would do.
 *
 * @since 0.1.0
 * @category schemas
 */
export { Plan } from "@effect-dsql/schema/Plan"

/**
 * `repair`: what was found, and what was done about it.
 *
 * @since 0.1.0
 * @category schemas
 */
export { Repair } from "@effect-dsql/schema/Repair"

/**
 * `status`: where the database stands.
 *
 * @since 0.1.0
 * @category schemas
 */
export { Status } from "@effect-dsql/schema/Status"

const text = Schema.String
const textOrNull = Schema.NullOr(Schema.String)

/**
 * `doctor`: what was asked, in this order. What cannot be asked after a failure is `skipped`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Diagnosis = Schema.Struct({
  target: text,
  checks: Schema.Array(
    Schema.Struct({
      check: Schema.Literals([
        "token",
        "network",
        "tls",
        "role",
        "version",
        "clock",
        "guarded",
        "limits",
        // Of a running process.
        "attempts",
        "conflicts",
        "keys",
        "retries",
        "quota",
        "outcomes",
        "pool",
        "connecting",
        "tokens",
        "budget",
        "cluster"
      ]),
      result: Schema.Literals(["ok", "failed", "skipped"]),
      /** What was found. */
      found: text,
      /** What to do; null where there is nothing to do. */
      advice: textOrNull
    })
  )
})

/**
 * `lint`: as `Report.json` of `@effect-dsql/dialect` writes it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Lint = Schema.Struct({
  version: Schema.Literal(1),
  summary: Schema.Struct({
    files: Schema.Int,
    errors: Schema.Int,
    warnings: Schema.Int,
    infos: Schema.Int
  }),
  findings: Schema.Array(
    Schema.Struct({
      rule: text,
      severity: Schema.Literals(["error", "warning", "info"]),
      file: text,
      line: Schema.Int,
      column: Schema.Int,
      endLine: Schema.Int,
      endColumn: Schema.Int,
      message: text,
      hint: text,
      sqlstate: Schema.optionalKey(text)
    })
  )
})

/**
 * `cluster prune`: what it has forgotten, or would.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Pruning = Schema.Struct({
  /** The cluster's prefix. */
  cluster: text,
  /** What was finished before this instant, by the database's clock. */
  finishedBefore: Schema.DateTimeUtcFromString,
  requests: Schema.Int,
  /** Whether they were counted alone. */
  dryRun: Schema.Boolean
})

/**
 * `new-migration`: the files that it made.
 *
 * @since 0.1.0
 * @category schemas
 */
export const NewMigration = Schema.Struct({
  version: text,
  /** The directory of the version. */
  directory: text,
  manifest: text,
  sql: text,
  /** A file that holds all versions together, to be edited by hand; null where there is none. */
  whole: textOrNull
})

/**
 * `dev`: where it listens, once clients can connect.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Listening = Schema.Struct({
  host: text,
  port: Schema.Int,
  /** For a PostgreSQL client, and for `DSQL_URL`. */
  url: text,
  /** Null where nothing is kept. */
  dataDirectory: textOrNull,
  /** The address of the console, with its token; null with `--no-console`. */
  console: textOrNull,
  /** The schema that was applied, and the version that it is at; null where none was asked for. */
  schema: Schema.NullOr(Schema.Struct({ name: text, version: textOrNull }))
})

/**
 * `probe`: what a server answered otherwise than the toolkit relies on.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Probing = Schema.Struct({
  /** Host and port. */
  target: text,
  engine: Schema.Literals(["dsql", "postgres"]),
  /** How many questions were answered. */
  asked: Schema.Int,
  /** Questions for which the time did not suffice. */
  unasked: Schema.Array(text),
  differences: Schema.Array(
    Schema.Struct({ id: text, group: text, asks: text, statement: text, expected: text, found: text })
  ),
  /** The schema, where it could not be dropped. */
  left: textOrNull
})

/**
 * Every failure of every command, on standard error.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Failed = Schema.Struct({
  error: Schema.Struct({
    /** The error's tag, for example `UnknownVersion`; it does not change between versions. */
    tag: text,
    /** One line: what happened, where, what to do. */
    message: text,
    exitCode: Schema.Literals(Object.values(ExitCode)),
    /** With `--verbose`: where in the program it came from. */
    stack: Schema.optionalKey(text)
  })
})
