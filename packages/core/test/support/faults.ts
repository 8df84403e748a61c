/**
 * Real failures of a real server, at the moment that a test needs them.
 */
import { DsqlClient, Transaction } from "@effect-dsql/core"
import { Clock, Deferred, Effect, Layer, Logger, Queue, References } from "effect"

export const conflictText = {
  OC000: "change conflicts with another transaction (OC000)",
  OC001: "schema has been updated by another transaction (OC001)"
} as const

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`

/**
 * A table `effects` whose COMMITs fail as told: a deferred trigger raises at
 * COMMIT, as DSQL does, while the table `plan` has failures left for it.
 * Failures are counted by a sequence, because a sequence is not rolled back.
 * An Aurora DSQL has no triggers, so this is for plain PostgreSQL; what its own
 * conflicts do is in `TransactionOnDsql.test.ts`.
 */
export const schema = Layer.effectDiscard(
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* sql`CREATE TABLE effects (id serial PRIMARY KEY, value text NOT NULL)`
    yield* sql`CREATE TABLE plan (value text PRIMARY KEY, times integer NOT NULL, action text NOT NULL)`
    yield* sql.unsafe(`
      CREATE FUNCTION fail_commit() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE p plan;
      BEGIN
        SELECT * INTO p FROM plan WHERE plan.value = NEW.value;
        IF NOT FOUND OR nextval('failures_' || NEW.value) > p.times THEN RETURN NULL; END IF;
        IF p.action = 'terminate' THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); END IF;
        RAISE EXCEPTION USING ERRCODE = split_part(p.action, '|', 1), MESSAGE = split_part(p.action, '|', 2);
      END $$`)
    yield* sql`
      CREATE CONSTRAINT TRIGGER fail_commit AFTER INSERT ON effects
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail_commit()`
  })
)

/** Makes the first COMMITs that write `value` fail. */
export const failCommits = (value: string, times: number, action: string) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* sql.unsafe(`CREATE SEQUENCE failures_${value}`)
    yield* sql`INSERT INTO plan VALUES (${value}, ${times}, ${action})`
  })

export const conflictAtCommit = (code: keyof typeof conflictText) => `40001|${conflictText[code]}`

/** Writes a value. */
export const write = (value: string) =>
  Effect.flatMap(Transaction.sql, (sql) => sql`INSERT INTO effects (value) VALUES (${value})`)

/** How often a value has been committed. */
export const written = (value: string) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    const rows = yield* sql`SELECT 1 FROM effects WHERE value = ${value}`
    return rows.length
  })

/** Raises an error of the server inside the transaction. */
export const raise = (code: string, message: string) =>
  Effect.flatMap(Transaction.sql, (sql) =>
    sql.unsafe(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = ${literal(code)}, MESSAGE = ${literal(message)}; END $$`)
  )

/** Ends the server's side of the connection that the transaction is on. */
export const terminate = Effect.flatMap(Transaction.sql, (sql) => sql`SELECT pg_terminate_backend(pg_backend_pid())`)

/** What the toolkit says when it is about to wait: the signal that a backoff has begun. */
export interface Backoff {
  readonly attempt: number
  readonly delayMillis: number
}

/** Listens to what the toolkit logs with a message: each line's fields come out of the queue. */
export const listen = (message: string) =>
  Effect.map(Queue.unbounded<Backoff>(), (queue) => {
    const logger = Logger.make((options) => {
      const [said, fields] = Array.isArray(options.message) ? options.message : [options.message]
      if (said === message) Queue.offerUnsafe(queue, fields as Backoff)
    })
    // Lines are rationed by the clock, which all files of a process share: a clock of its own has all of them.
    const listening = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.clockWith((clock) => Effect.provideService(effect, Clock.Clock, Object.create(clock))).pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "Debug")
      )
    return { queue, listening }
  })

/** Listens to conflicts that are about to be retried. */
export const retries = listen("transaction conflicted, retrying")

/** How many transactions the server holds open for this database, the asking one left out. */
export const openTransactions = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  const rows = yield* sql`
    SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_type = 'client backend'`
  return rows.length
})

/** A signal that a body gives once it runs. */
export const signal = Deferred.make<void>()
