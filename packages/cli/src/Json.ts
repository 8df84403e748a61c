/**
 * What each command prints with `--format json`: one value of one of these
 * schemas, on one line. What is printed is encoded with them, so a program that
 * decodes with them reads all there is. A field is only ever added.
 *
 * @since 0.1.0
 */
import { Difference } from "@effect-dsql/schema/Difference"
import * as Schema from "effect/Schema"
import { ExitCode } from "./ExitCode.ts"

const text = Schema.String
const textOrNull = Schema.NullOr(Schema.String)
const time = Schema.DateTimeUtcFromString

/** Which schema, and under which name its version is recorded. */
const subject = { schema: text, database: text }

/**
 * `setup-schema`, `update-schema` and `baseline`: what they did.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Report = Schema.Struct({
  ...subject,
  /** The version before; null where none was recorded. */
  from: textOrNull,
  /** The version after; null where none is recorded. */
  to: textOrNull,
  changed: Schema.Boolean,
  /** Statements that ran. */
  applied: Schema.Int,
  /** Statements that had run already. */
  present: Schema.Int,
  /** What `--overwrite` dropped. */
  dropped: Schema.Array(text)
})

/**
 * `status`: where the database stands.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Status = Schema.Struct({
  ...subject,
  current: textOrNull,
  expected: text,
  /** The oldest version that programs may expect of the database. */
  minCompatible: textOrNull,
  state: Schema.Literals(["not-set-up", "behind", "current", "ahead", "incompatible"]),
  compatible: Schema.Boolean
})

/**
 * `plan`: what `update-schema`, or `setup-schema` where nothing is recorded, would do.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Plan = Schema.Struct({
  ...subject,
  from: textOrNull,
  to: text,
  /** Whether anything would change, be it only what is recorded. */
  changes: Schema.Boolean,
  steps: Schema.Array(
    Schema.Struct({
      version: text,
      /** Which statement of the version, from 1. */
      ordinal: Schema.Int,
      location: text,
      summary: text,
      sql: text,
      /** `present`: it is there already, and only written down. */
      action: Schema.Literals(["run", "present"])
    })
  )
})

/**
 * `verify`: how the database is not what the version says.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Verification = Schema.Struct({ ...subject, version: text, differences: Schema.Array(Difference) })

/**
 * `repair`: what was found, and what was done about it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Repair = Schema.Struct({
  ...subject,
  indexes: Schema.Array(
    Schema.Struct({
      index: text,
      table: text,
      location: text,
      /** The keys that rows share, a few of them. */
      collisions: Schema.Array(text),
      rebuilt: Schema.Boolean
    })
  ),
  changes: Schema.Array(
    Schema.Struct({
      version: text,
      ordinal: Schema.Int,
      location: textOrNull,
      summary: text,
      accepted: Schema.Boolean
    })
  ),
  lease: Schema.NullOr(Schema.Struct({ owner: text, expires: time, expired: Schema.Boolean, released: Schema.Boolean }))
})

/**
 * `history`: what has run.
 *
 * @since 0.1.0
 * @category schemas
 */
export const History = Schema.Struct({
  database: text,
  statements: Schema.Array(
    Schema.Struct({
      version: text,
      ordinal: Schema.Int,
      statement: text,
      /** SHA-256 of the statement. */
      checksum: text,
      started: time,
      finished: Schema.NullOr(time),
      owner: text,
      fence: Schema.Int,
      job: textOrNull,
      error: textOrNull
    })
  ),
  changes: Schema.Array(
    Schema.Struct({
      time,
      description: textOrNull,
      manifestMd5: textOrNull,
      to: textOrNull,
      from: textOrNull
    })
  )
})

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
      check: Schema.Literals(["token", "network", "tls", "role", "version", "clock", "limits"]),
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
  dataDirectory: textOrNull
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
