import { DsqlClient, RetryPolicy, Transaction } from "@effect-dsql/core"
import { Outline, SchemaSource, Verify } from "@effect-dsql/schema"
import { Server, Template, Testing } from "@effect-dsql/testing"
import { NodeServices } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, Effect, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"

const rows = (statement: string) =>
  Transaction.autocommit(Effect.flatMap(Transaction.sql, (sql) => sql.unsafe(statement)))

/** The names of the databases on the server that the run shares. */
const databases = Effect.gen(function* () {
  const server = yield* Server.make
  const sql = yield* Effect.provide(PgClient.makeClient({ url: server.url() }), Reactivity.layer)
  const found = yield* sql<{ datname: string }>`SELECT datname FROM pg_database`
  return found.map(({ datname }) => datname)
}).pipe(Effect.scoped)

const nameOf = (url: Redacted.Redacted): string => new URL(Redacted.value(url)).pathname.slice(1)

layer(Testing.layer({ source: SchemaSource.builtIn() }), { excludeTestServices: true })("Testing.layer", (it) => {
  it.effect("gives a database with the schema in it", () =>
    Effect.gen(function* () {
      const [version] = yield* rows("SELECT curr_version FROM schema_version")
      const latest = SchemaSource.latest(yield* SchemaSource.builtIn()).version
      assert.deepStrictEqual(version, { curr_version: String(latest) })
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("gives the cost of what a test did", () =>
    Effect.gen(function* () {
      const control = yield* Testing.Control
      yield* control.reset
      yield* rows("SELECT * FROM shards")
      // A read of what is there, and nothing written: the least that AWS charges for.
      assert.deepStrictEqual(yield* Testing.cost(), { write: 0, read: 2_048 * 0.00000183105 })
    })
  )

  it.effect("keeps DSQL's rules, and breaks on demand", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(rows("TRUNCATE shards"))
      assert.strictEqual(refused._tag, "UnsupportedFeature")
      const control = yield* Testing.Control
      yield* control.inject({ on: "commit", fault: "conflict", nth: [1] })
      const insert = "INSERT INTO cluster_metadata_info SELECT * FROM cluster_metadata_info WHERE false"
      yield* control.reset
      yield* rows(insert)
      const { commits, statements } = yield* control.counts()
      assert.deepStrictEqual({ commits, statements }, { commits: 1, statements: 2 })
    })
  )
})

layer(Testing.layer({ source: Effect.all(Outline.builtInNames.map((name) => SchemaSource.builtIn(name))) }), {
  excludeTestServices: true
})("Testing.layer with every built-in schema", (it) => {
  it.effect("has them side by side, each recorded under a name of its own", () =>
    Effect.gen(function* () {
      const recorded = yield* rows("SELECT db_name, name FROM schema_identity ORDER BY name")
      assert.deepStrictEqual(
        recorded,
        Outline.builtInNames.toSorted().map((name) => ({ db_name: Outline.recordedUnder(name), name }))
      )
      for (const name of Outline.builtInNames) {
        const { differences, version } = yield* Verify.verify({ source: yield* SchemaSource.builtIn(name) })
        assert.deepStrictEqual(differences, [], `${name} ${version}`)
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )
})

// The clock of these tests stands still, and the emulator's must not.
layer(Testing.layer())("Testing.layer without a schema, on a test clock", (it) => {
  it.effect("gives an empty database", () =>
    Effect.gen(function* () {
      const tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
      assert.deepStrictEqual(yield* rows(tables), [])
      yield* rows("CREATE TABLE t (id integer PRIMARY KEY)")
      yield* rows("CREATE INDEX ASYNC ON t (id)")
    })
  )
})

describe("Testing.make", () => {
  it.live("migrates a template once for all that ask at the same time, and copies it", () =>
    Effect.gen(function* () {
      const builtIn = yield* SchemaSource.builtIn()
      const [first] = builtIn.versions
      // A schema that no other file has, so that its template is not there yet.
      const statements = first.statements.filter(({ target }) => target._tag === "CreateTable").slice(0, 2)
      const own: SchemaSource.SchemaSource = { ...builtIn, name: "own", versions: [{ ...first, statements }] }
      assert.notInclude(yield* databases, Template.nameOf([own]))
      const made = yield* Effect.all(
        Array.from({ length: 4 }, () => Testing.make({ source: Effect.succeed(own) })),
        { concurrency: "unbounded" }
      )
      const names = made.map(({ url }) => nameOf(url))
      assert.strictEqual(new Set(names).size, 4)
      assert.includeMembers([...(yield* databases)], [...names, Template.nameOf([own])])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("copies an empty database, too, with what the emulator adds to one", () =>
    Effect.gen(function* () {
      const { url } = yield* Testing.make()
      assert.include(yield* databases, Template.nameOf([]))
      // Nobody has connected to it through its emulator.
      const server = yield* Server.make
      const sql = yield* Effect.provide(PgClient.makeClient({ url: server.url(nameOf(url)) }), Reactivity.layer)
      assert.lengthOf(yield* sql`SELECT FROM pg_proc WHERE proname = 'dsql_emulator_version'`, 1)
    }).pipe(Effect.scoped)
  )

  it.live("drops its database with its scope", () =>
    Effect.gen(function* () {
      const name = yield* Effect.scoped(Effect.map(Testing.make(), ({ url }) => nameOf(url)))
      assert.notInclude(yield* databases, name)
    })
  )

  it.live("starts a server of its own where the run has none", () =>
    Effect.gen(function* () {
      const url = process.env[Server.variable]
      assert.isDefined(url)
      delete process.env[Server.variable]
      yield* Effect.addFinalizer(() => Effect.sync(() => (process.env[Server.variable] = url)))
      const server = yield* Server.make
      assert.notStrictEqual(Redacted.value(server.url()), url)
    }).pipe(Effect.scoped)
  )
})

describe("Testing.printConflicts", () => {
  it.effect("says who met whom when a test ends with ConflictRetriesExhausted, once", () =>
    Effect.gen(function* () {
      const { url } = yield* Testing.make()
      const rival = yield* Effect.provide(PgClient.makeClient({ url, applicationName: "rival" }), Reactivity.layer)
      yield* rival`CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL)`
      yield* rival`INSERT INTO accounts VALUES (7, 0)`
      let hook: (ended: Testing.Ended) => Promise<void> = () => Promise.resolve()
      let printed = ""
      Testing.printConflicts(
        (after) => {
          hook = after
        },
        (text) => {
          printed += text
        }
      )
      const body = Effect.gen(function* () {
        const sql = yield* Transaction.sql
        yield* sql`UPDATE accounts SET balance = 1 WHERE id = 7`
        yield* Effect.orDie(rival`UPDATE accounts SET balance = 2 WHERE id = 7`)
      })
      const patient = { policy: RetryPolicy.make({ attempts: 2 }) }
      const lost = Transaction.run(body, patient).pipe(
        Effect.provide(DsqlClient.layerUrl({ url, applicationName: "orders" })),
        Effect.flip
      )
      const exhausted = yield* lost
      assert.strictEqual(exhausted._tag, "ConflictRetriesExhausted")
      const ended = (error: Error) => Effect.promise(() => hook({ task: { result: { errors: [error] } } }))
      yield* ended(exhausted)
      const once =
        /who met whom:\n( {2}#\d+ orders lost on accounts \(id=7\): #\d+ rival committed `UPDATE accounts SET balance = 2 WHERE id = 7` before `UPDATE accounts SET balance = 1 WHERE id = 7`\n){2}/
      assert.match(printed, once)
      printed = ""
      yield* ended(exhausted)
      yield* lost
      yield* ended(new Error("another"))
      assert.strictEqual(printed, "")
    }).pipe(Effect.scoped, Effect.provideService(Clock.Clock, Clock.Clock.defaultValue()))
  )
})
