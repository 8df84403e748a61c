/**
 * The databases of one emulator, and what works in them without a client: the
 * judge of row locks, and the jobs.
 */
import { Quote } from "@effect-dsql/dialect"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as Postgres from "../../Postgres.ts"
import * as Gate from "../concurrency/gate.ts"
import * as Parking from "../concurrency/parking.ts"
import { type Database, type Member, prune, type References, untouched } from "../concurrency/state.ts"
import * as Steward from "../concurrency/steward.ts"
import type { Desk } from "../control/desk.ts"
import * as Catalogue from "../database/catalogue.ts"
import * as Install from "../database/install.ts"
import { isInConflict } from "../database/rowLocks.ts"
import * as Backend from "../postgres/backend.ts"
import * as Leftover from "../postgres/leftover.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import * as Inheritance from "./inheritance.ts"
import * as Login from "./login.ts"
import * as Presence from "./presence.ts"

/** All databases of one server. */
export interface Cluster {
  readonly steward: Steward.Steward
  /** The databases that somebody has connected to. */
  readonly databases: () => Iterable<Database>
  /** Looks a database up, and prepares it the first time. */
  readonly database: (name: string) => Effect.Effect<Database, Backend.BackendLost>
  /** Opens a client's session. */
  readonly login: Login.Login
  /** Ends a session in the middle of what it does. */
  readonly terminate: (session: Backend.Backend) => Effect.Effect<void>
  readonly dropDatabase: (name: string) => Effect.Effect<void, Backend.BackendLost>
  readonly createDatabase: (name: string, template: string | undefined) => Effect.Effect<void, Backend.BackendLost>
}

const parametersOf = (database: string): ReadonlyArray<readonly [string, string]> => [
  ["user", "postgres"],
  ["database", database],
  ["application_name", "effect-dsql emulator"],
  ["client_encoding", "UTF8"],
  ["temp_file_limit", "-1"]
]

/** Joins a backend to a database until the scope closes. */
export const join = Effect.fnUntraced(function* (database: Database, backend: Backend.Backend) {
  const member: Member = {
    backend,
    database,
    gate: Gate.make(),
    guard: () => database.watch(member),
    transaction: undefined,
    told: -Infinity,
    catalogue: undefined,
    witness: undefined
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => database.members.add(member)),
    () =>
      Effect.sync(() => {
        database.members.delete(member)
        prune(database)
      })
  )
  return member
})

/** Runs jobs one after the other, each as the service does: from submitted to completed or failed. */
const work = Effect.fnUntraced(function* (worker: Member, job: string) {
  const [row] = yield* worker.backend.query(
    `UPDATE pg_catalog.dsql_emulator_jobs j SET status = 'processing' WHERE job_id = ${Quote.literal(job)} AND status = 'submitted'
     RETURNING command, job_type <> 'INDEX_BUILD' OR EXISTS (SELECT FROM pg_index WHERE indexrelid = j.object_id)`
  )
  const command = row?.[0]
  if (command === undefined || command === null) return
  let status = "completed"
  let details: string | null = row?.[1] === "t" ? null : "relation does not exist"
  if (details === null) {
    const reply = yield* Parking.send(worker, [ClientMessage.query(command)])
    if (reply.error !== undefined) {
      const error = ServerMessage.readError(reply.error)
      const isDuplicate = error.sqlstate === "23505"
      status = error.sqlstate === "42P01" ? "completed" : "failed"
      details = isDuplicate ? "Found duplicate key while validating index for UCVs" : error.message
    }
  }
  yield* worker.backend.query(
    `UPDATE pg_catalog.dsql_emulator_jobs SET status = ${Quote.literal(status)}, details = ${Quote.literal(details)}, update_time = now() WHERE job_id = ${Quote.literal(job)}`
  )
  worker.database.version++
})

/**
 * Installs what is missing in a database, and takes up again the jobs that an emulator was stopped over; says whether
 * there was nothing to do.
 */
const prepared = Effect.fnUntraced(function* (database: Database): Effect.fn.Return<boolean, Backend.BackendLost> {
  const [installed] = yield* database.ask(Install.isInstalled)
  if (installed === undefined) yield* database.ask(Install.install)
  const left = yield* database.ask(
    "SELECT job_id FROM pg_catalog.dsql_emulator_jobs WHERE status IN ('submitted', 'processing')"
  )
  if (left.length > 0) {
    yield* database.ask("UPDATE pg_catalog.dsql_emulator_jobs SET status = 'submitted' WHERE status = 'processing'")
  }
  yield* database.work(left.flatMap(([job]) => job ?? []))
  return installed !== undefined && left.length === 0
})

/** Makes the databases of a server known. */
export const make = Effect.fnUntraced(function* (
  server: Postgres.Postgres,
  options: Pick<Desk, "now" | "sleep"> & { readonly jobDelay: number }
): Effect.fn.Return<Cluster, Backend.BackendLost, Scope.Scope> {
  const scope = yield* Effect.scope
  const toServer = Leftover.connect(server, parametersOf("postgres"))
  const [main, maker] = yield* Effect.all([toServer, toServer], { concurrency: 2 })
  const making = Semaphore.makeUnsafe(1)
  const steward = yield* Steward.make(main)
  const databases = new Map<string, { readonly database: Database; readonly scope: Scope.Closeable }>()
  yield* maker.query(Install.adminRole)

  const presence = Presence.make()
  const inheritance = Inheritance.make(maker.query)

  /** Closes what works in a database, which opens again when somebody connects to it; waits for whoever is leaving it. */
  const close = (name: string) =>
    Effect.suspend(() => {
      const known = databases.get(name)
      databases.delete(name)
      inheritance.forget(name)
      const closed = known === undefined ? Effect.void : Scope.close(known.scope, Exit.void)
      const staying = () => new Set([...(known?.database.members ?? [])].map(({ backend }) => backend))
      return Effect.andThen(
        closed,
        Effect.suspend(() => presence.left(name, staying()))
      )
    })

  /** Opens a database; of one that is `inherited` from its template it is known that nothing is to be done in it first. */
  const open = Effect.fnUntraced(function* (name: string, inherited?: References) {
    const own = yield* Scope.fork(scope)
    const connected = presence.noted(name, Backend.connect(server, parametersOf(name)))
    const gate = Semaphore.makeUnsafe(1)
    let session: Backend.Backend | undefined
    const asking = Effect.gen(function* () {
      if (session !== undefined) return session
      const backend = yield* Scope.provide(connected, own)
      yield* backend.query(Catalogue.prepareReferences)
      session = backend
      backend.whenGone(() => {
        session = undefined
      })
      return backend
    })
    const ask: Backend.Backend["query"] = (sql) =>
      gate.withPermits(1)(Effect.flatMap(Effect.uninterruptible(asking), (backend) => backend.query(sql)))
    const queue = Semaphore.makeUnsafe(1)
    const running = new Map<string, Deferred.Deferred<void>>()
    let worker: Member | undefined
    const perform = (job: string, done: Deferred.Deferred<void>) =>
      Effect.gen(function* () {
        worker ??= yield* Scope.provide(
          Effect.flatMap(connected, (backend) => join(database, backend)),
          own
        )
        yield* work(worker, job)
      }).pipe(
        queue.withPermits(1),
        (turn) => Effect.andThen(options.sleep(options.jobDelay), turn),
        Effect.catch((lost) => Effect.logError(`job ${job} was lost`, lost.error.message)),
        Effect.ensuring(
          Effect.andThen(
            Deferred.succeed(done, undefined),
            Effect.sync(() => running.delete(job))
          )
        )
      )
    const database: Database = {
      ...untouched(inherited),
      name,
      watch: steward.watch,
      ask,
      judge: (accused, locks) => Effect.map(ask(isInConflict(accused.backend.pid, locks)), ([row]) => row?.[0] === "t"),
      work: (jobs) =>
        Effect.forEach(
          jobs,
          (job) => {
            const done = Deferred.makeUnsafe<void>()
            running.set(job, done)
            return Effect.forkIn(perform(job, done), own)
          },
          { discard: true }
        ),
      finished: (job) =>
        Effect.suspend(() => {
          const done = running.get(job)
          return done === undefined ? Effect.void : Deferred.await(done)
        }),
      now: options.now
    }
    databases.set(name, { database, scope: own })
    return database
  })

  /** Opens a database for whoever comes to it. */
  const entered = Effect.fnUntraced(function* (name: string) {
    const birth = yield* inheritance.of(name)
    const database = yield* open(name, birth.references)
    if (birth.references !== undefined) return database
    const isAsFound = yield* Effect.onError(prepared(database), () => close(name))
    // Others may do without.
    if (isAsFound) yield* Effect.ignore(inheritance.learn(birth, database))
    return database
  })

  const login = Login.make(server, (sql) => making.withPermits(1)(maker.query(sql)))

  return {
    steward,
    terminate: ({ pid }) => Effect.ignore(main.query(`SELECT pg_terminate_backend(${pid})`)),
    login: (parameters) => presence.noted(parameters.get("database") ?? "postgres", login(parameters)),
    databases: () => [...databases.values()].map(({ database }) => database),
    database: (name) =>
      making.withPermits(1)(
        Effect.suspend(() => {
          const known = databases.get(name)
          return known === undefined ? entered(name) : Effect.succeed(known.database)
        })
      ),
    dropDatabase: (name) =>
      making.withPermits(1)(
        Effect.andThen(close(name), Effect.asVoid(maker.query(`DROP DATABASE ${Quote.identifier(name)} WITH (FORCE)`)))
      ),
    createDatabase: (name, template = "template1") =>
      making.withPermits(1)(
        Effect.gen(function* () {
          // PostgreSQL copies a database that nobody uses; what the emulator keeps open there opens again.
          yield* close(template)
          yield* maker.query(
            `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = ${Quote.literal(template)} AND pid NOT IN (${main.pid}, ${maker.pid})`
          )
          const create = maker.query(
            `CREATE DATABASE ${Quote.identifier(name)} TEMPLATE ${Quote.identifier(template)} OWNER admin STRATEGY file_copy`
          )
          // One of that name may have been dropped where nobody told.
          yield* inheritance.copy(template, name, Effect.andThen(create, close(name)))
        })
      )
  }
})
