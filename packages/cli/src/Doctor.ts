/**
 * What can be asked about a connection, one thing after the other: each answer
 * says what was found and, where it is wrong, what to do.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Limits from "@effect-dsql/dialect/Limits"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Connection from "./Connection.ts"
import type { CommandError } from "./Failure.ts"
import type { Form } from "./internal/guardedForm.ts"
import * as Handshake from "./internal/handshake.ts"
import type * as Json from "./Json.ts"

type Check = (typeof Json.Diagnosis.Type)["checks"][number]
type Answer = Omit<Check, "check">

const ok = (found: string): Answer => ({ result: "ok", found, advice: null })
const failed = (found: string, advice: string): Answer => ({ result: "failed", found, advice })
const skipped = (found: string): Answer => ({ result: "skipped", found, advice: null })

/**
 * Asks everything. It never fails: what goes wrong is in the answers.
 *
 * @since 0.1.0
 * @category constructors
 */
export const diagnose = (settings: Connection.Settings): Effect.Effect<typeof Json.Diagnosis.Type> =>
  Effect.gen(function* () {
    const host = Connection.host(settings)
    const checks: Array<Check> = [{ check: "token", ...(yield* token(settings)) }]
    const reached = yield* Handshake.make(host, settings.options.port ?? 5432)
    checks.push({ check: "network", ...network(reached) }, { check: "tls", ...tls(settings, reached) })
    const asked = checks.some(({ result }) => result === "failed")
      ? ["role", "version", "clock", "guarded", "limits"].map(() => skipped("not asked: there is no connection"))
      : yield* questions(settings)
    const [role, version, clock, guarded, limits] = asked
    for (const [check, answer] of Object.entries({ role, version, clock, guarded, limits })) {
      if (answer !== undefined) checks.push({ check: check as Check["check"], ...answer })
    }
    return { target: Connection.address(settings), checks }
  })

const token = (settings: Connection.Settings): Effect.Effect<Answer> => {
  if (settings._tag === "Server") {
    return Effect.succeed(
      skipped(`not a cluster: its password is ${settings.options.password === undefined ? "empty" : "SQL_PASSWORD's"}`)
    )
  }
  const { endpoint, region = "", user = "admin" } = settings.options
  return Effect.gen(function* () {
    const { makeIam } = yield* Effect.promise(() => import("@effect-dsql/core/TokenSource"))
    return yield* Effect.match(makeIam({ endpoint, region, user }).token, {
      onSuccess: () => ok(`signed for role ${user} in ${region}`),
      onFailure: ({ message }) => {
        const [found = message, ...advice] = message.split(": ")
        return failed(found, advice.join(": ") || "sign in to AWS again")
      }
    })
  })
}

const network = (reached: Handshake.Handshake): Answer =>
  reached._tag === "Unreachable"
    ? failed(reached.problem, reached.advice)
    : ok(`connected to ${reached.address} in ${reached.millis} ms`)

const tls = (settings: Connection.Settings, reached: Handshake.Handshake): Answer => {
  const wanted = settings._tag === "Cluster" ? "verify-full" : (settings.options.tls ?? "prefer")
  switch (reached._tag) {
    case "Unreachable":
      return skipped("not asked: there is no connection")
    case "NotPostgres":
      return failed("the server does not speak PostgreSQL's protocol", "check --endpoint and --port")
    case "Plain":
      return wanted === "prefer"
        ? ok("none: the server offers none, and --tls prefer does not insist")
        : failed("the server offers no TLS", "check --endpoint and --port; --tls prefer does without")
    case "Encrypted":
      return wanted === "verify-full" && reached.problem !== undefined
        ? failed(
            `the certificate is not trusted: ${reached.problem}`,
            "check --endpoint; NODE_EXTRA_CA_CERTS adds an authority of your own"
          )
        : ok(
            `${reached.protocol}, ${reached.problem === undefined ? "the server verified" : "the server not verified"}`
          )
  }
}

const Facts = Schema.Struct({
  role: Schema.String,
  database: Schema.String,
  schema: Schema.NullOr(Schema.String),
  creates: Schema.NullOr(Schema.Boolean),
  version: Schema.String,
  now: Schema.DateTimeUtcFromDate,
  tables: Schema.Int,
  views: Schema.Int,
  sequences: Schema.Int,
  indexes: Schema.Int,
  /** How many of the tables that a guarded write is tried on are there. */
  books: Schema.Int
})

/** What only a connection can answer: role, version, clock, the form of guarded writes, limits. */
const questions = (settings: Connection.Settings): Effect.Effect<ReadonlyArray<Answer>> =>
  Effect.gen(function* () {
    const Engine = yield* Effect.promise(() => import("@effect-dsql/schema/Engine"))
    const Transaction = yield* Effect.promise(() => import("@effect-dsql/core/Transaction"))
    const asking = Effect.gen(function* () {
      const engine = yield* Engine.read
      const before = yield* Clock.currentTimeMillis
      const [elapsed, [row]] = yield* Transaction.autocommit(
        Effect.flatMap(
          Transaction.sql,
          (sql) => sql`SELECT current_user::text AS role, current_database()::text AS database,
            current_schema()::text AS schema, has_schema_privilege(current_schema(), 'CREATE') AS creates,
            current_setting('server_version') AS version, now() AS now,
            (SELECT count(*)::integer FROM pg_catalog.pg_tables WHERE ${users(sql)}) AS tables,
            (SELECT count(*)::integer FROM pg_catalog.pg_views WHERE ${users(sql)}) AS views,
            (SELECT count(*)::integer FROM pg_catalog.pg_sequences WHERE ${users(sql)}) AS sequences,
            (SELECT coalesce(max(n), 0)::integer FROM (SELECT count(*) AS n FROM pg_catalog.pg_indexes
              WHERE ${users(sql)} GROUP BY schemaname, tablename) counts) AS indexes,
            (SELECT count(*)::integer FROM pg_catalog.pg_tables WHERE schemaname = current_schema()
              AND tablename IN ('schema_version', 'schema_lease', 'schema_journal')) AS books`
        ),
        { operation: "ReadFacts", readOnly: true }
      ).pipe(Effect.timed)
      // It says the names and types itself.
      const facts = yield* Effect.orDie(Schema.decodeUnknownEffect(Facts)(row))
      const GuardedForm = yield* Effect.promise(() => import("./internal/guardedForm.ts"))
      const form = facts.books < 3 ? undefined : yield* GuardedForm.tried
      return { engine, facts, before, elapsed: Duration.toMillis(elapsed), form }
    })
    return yield* Effect.match(Connection.run(asStatement(settings), asking), {
      onFailure: (error) => [
        unanswered(error),
        ...["version", "clock", "guarded", "limits"].map(() => skipped("not asked: the role was refused"))
      ],
      onSuccess: ({ before, elapsed, engine, facts, form }) => [
        role(facts),
        engine === "dsql"
          ? ok(`Aurora DSQL, which says PostgreSQL ${facts.version}`)
          : failed(
              `PostgreSQL ${facts.version}, which is not Aurora DSQL`,
              "fine for development, but it neither conflicts nor refuses as a cluster does: effect-dsql dev is one that does"
            ),
        clock(DateTime.toEpochMillis(facts.now), before, elapsed),
        guarded(form, settings.options.guarded),
        limits(facts)
      ]
    })
  })

/** The same connection, on which guarded writes are one statement. */
const asStatement = (settings: Connection.Settings): Connection.Settings =>
  settings._tag === "Cluster"
    ? { _tag: "Cluster", options: { ...settings.options, guarded: "statement" } }
    : { _tag: "Server", options: { ...settings.options, guarded: "statement" } }

const guarded = (form: Form | undefined, set: "statement" | "transaction" | undefined): Answer => {
  const isSet = set === "transaction"
  switch (form?._tag) {
    case undefined:
      return skipped("cannot tell before a schema is set up: it is tried on the tables of its version")
    case "Untold":
      return skipped(`cannot tell: ${form.problem}`)
    case "Taken":
      return ok(
        isSet
          ? "taken as one statement; DSQL_GUARDED=transaction is set, which takes more round trips"
          : "taken as one statement"
      )
    case "Refused":
      return isSet
        ? ok(`not taken as one statement: ${form.problem}; DSQL_GUARDED=transaction is set`)
        : failed(
            `not taken as one statement: ${form.problem}`,
            "set DSQL_GUARDED=transaction for every program, and for this one"
          )
  }
}

const users = (sql: { readonly literal: (text: string) => unknown }) =>
  sql.literal("schemaname NOT IN ('pg_catalog', 'information_schema', 'sys')")

const unanswered = (error: CommandError): Answer =>
  error._tag === "CannotConnect"
    ? failed(error.problem, error.advice)
    : failed(error.message, "check --user and --database")

const role = ({ creates, database, role, schema }: typeof Facts.Type): Answer =>
  creates === true
    ? ok(`${role} may create in ${database}.${schema}`)
    : failed(
        `${role} may not create in ${schema === null ? database : `${database}.${schema}`}`,
        `have an administrator GRANT CREATE ON SCHEMA ${schema ?? "public"} TO ${role}, or give another --user`
      )

// The service refuses a request that was signed more than five minutes away from its own time.
const signatureMillis = 5 * 60_000
// From here on it is worth a word: most clocks are right to the second.
const skewMillis = 30_000

/** `before`: when the server was asked, by this machine's clock; `elapsed`: milliseconds until it had answered. */
const clock = (server: number, before: number, elapsed: number): Answer => {
  // The server looked at its clock somewhere between the two.
  const skew = Math.round(before + elapsed / 2) - server
  const amount = `${Math.abs(skew)} ms ${skew < 0 ? "behind" : "ahead of"} the server's, ± ${Math.ceil(elapsed / 2)} ms`
  return Math.abs(skew) <= skewMillis
    ? ok(`this machine's clock is ${amount}`)
    : failed(
        `this machine's clock is ${amount}`,
        `set it by NTP: tokens signed more than ${signatureMillis / 60_000} minutes away are refused`
      )
}

const limits = (facts: typeof Facts.Type): Answer => {
  const counts = [
    ["tables", facts.tables, Limits.tables],
    ["views", facts.views, Limits.views],
    ["sequences", facts.sequences, Limits.sequences],
    ["indexes on one table", facts.indexes, Limits.tableIndexes]
  ] as const
  const text = counts.map(([what, count, limit]) => `${count} of ${limit} ${what}`).join(", ")
  const full = counts.find(([, count, limit]) => count >= limit)
  return full === undefined
    ? ok(text)
    : failed(text, `there is no room for more ${full[0]}: drop some, or use another cluster`)
}
