import { Emulator, Postgres } from "@effect-dsql/emulator"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Client } from "pg"
import * as Frame from "../src/internal/protocol/frame.ts"
import * as Shared from "./shared.ts"
import { gives, tells } from "./wireClient.ts"
import * as WireClient from "./wireClient.ts"

const temporary = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "emulator-test-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** Connects with node-postgres and gives a query's rows. */
const rowsOf = (config: ConstructorParameters<typeof Client>[0], sql: string) =>
  Effect.promise(async () => {
    const client = new Client(config)
    await client.connect()
    const { rows } = await client.query(sql)
    await client.end()
    return rows
  })

describe("Emulator.make", () => {
  it.live("keeps data in a given directory, its jobs and schema with it", () =>
    Effect.gen(function* () {
      const dataDirectory = yield* temporary
      const write = Effect.gen(function* () {
        const emulator = yield* Emulator.make({ dataDirectory, jobDelay: "1 minute" })
        const client = yield* WireClient.make(emulator.connect, "postgres")
        yield* tells(client, "CREATE TABLE kept (id int PRIMARY KEY)", "CREATE TABLE")
        yield* tells(client, "INSERT INTO kept VALUES (1)", "INSERT 0 1")
        yield* tells(client, "CREATE INDEX ASYNC kept_id ON kept (id)", "CREATE INDEX")
      })
      const read = Effect.gen(function* () {
        const emulator = yield* Emulator.make({ dataDirectory, jobDelay: "1 minute" })
        const client = yield* WireClient.make(emulator.connect, "postgres")
        yield* gives(client, "SELECT id FROM kept", [["1"]])
        const found = yield* WireClient.rows(client, "SELECT job_id FROM sys.jobs")
        yield* emulator.control.advance(60_000)
        yield* gives(client, `CALL sys.wait_for_job('${found[0]?.[0]}')`, [["t"]])
      })
      yield* Effect.scoped(write)
      yield* Effect.scoped(read)
    })
  )

  it.live("says that a port is in use", () =>
    Effect.gen(function* () {
      const postgres = yield* Postgres.make()
      const first = yield* Emulator.make({ postgres })
      const error = yield* Effect.flip(Emulator.make({ postgres, port: first.port }))
      assert.strictEqual(error.message, `port ${first.port} is in use: choose another`)
    })
  )

  it.live("speaks TLS to clients that ask for it, and checks their tokens", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const [keyFile, certFile] = [join(directory, "key.pem"), join(directory, "cert.pem")]
      const request = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "1"
      ]
      execFileSync("openssl", [...request, "-subj", "/CN=localhost", "-keyout", keyFile, "-out", certFile], {
        stdio: "ignore"
      })
      const [key, cert] = yield* Effect.promise(() => Promise.all([readFile(keyFile), readFile(certFile)]))
      const emulator = yield* Emulator.make({
        tls: { key, cert },
        authorize: (token, user) => (user !== "admin" ? "denied" : token === "good" ? "ok" : "expired")
      })
      const { host, port } = emulator
      const good = { host, port, user: "admin", password: "good", database: "postgres" }
      const rows = yield* rowsOf({ ...good, ssl: { ca: cert, servername: "localhost" } }, "SELECT 1 AS n")
      assert.deepStrictEqual(rows, [{ n: 1 }])
      const refused = (config: { readonly user?: string; readonly password?: string }) =>
        Effect.promise(async () => {
          const client = new Client({ ...good, ...config })
          client.on("error", () => {})
          const error: unknown = await client.connect().catch((cause: unknown) => cause)
          return error
        })
      const old = yield* refused({ password: "old" })
      assert.include(old, { code: "28000", message: "unable to accept connection, access denied" })
      const stranger = yield* refused({ user: "stranger", password: "good" })
      assert.include(stranger, { code: "28000" })
    })
  )
})

layer(Shared.layer(), { excludeTestServices: true })("a running emulator", (it) => {
  it.effect("copies a database from a template", () =>
    Effect.gen(function* () {
      const { database, emulator } = yield* Shared.Shared
      const template = yield* WireClient.make(emulator.connect, database)
      yield* tells(template, "CREATE TABLE base (id int PRIMARY KEY)", "CREATE TABLE")
      yield* tells(template, "INSERT INTO base VALUES (1)", "INSERT 0 1")
      template.destroy()
      yield* emulator.createDatabase(`${database}_copy`, database)
      const copy = yield* WireClient.make(emulator.connect, `${database}_copy`)
      yield* gives(copy, "SELECT id FROM base", [["1"]])
      yield* tells(copy, "DELETE FROM base", "DELETE 1")
      const original = yield* WireClient.make(emulator.connect, database)
      yield* gives(original, "SELECT id FROM base", [["1"]])
      const error = yield* Effect.flip(emulator.createDatabase(database))
      assert.match(error.message, /already exists/)
    })
  )

  it.effect("makes and drops databases for other processes, which ask in SQL", () =>
    Effect.gen(function* () {
      const { database, emulator } = yield* Shared.Shared
      const client = yield* Shared.wire()
      const request = (value: unknown) => `CALL emulator.control('${JSON.stringify(value)}')`
      const name = `${database}_asked`
      yield* gives(client, request({ createDatabase: { name } }), [['"ok"']])
      const other = yield* WireClient.make(emulator.connect, name)
      yield* gives(other, "SELECT current_database()", [[name]])
      yield* tells(client, request({ createDatabase: { name } }), `42P04 database "${name}" already exists`)
      yield* gives(client, request({ dropDatabase: name }), [['"ok"']])
      const late = yield* WireClient.make(emulator.connect, name)
      assert.strictEqual(late.started.error?.sqlstate, "3D000")
    })
  )

  it.effect("lets nobody become the server's superuser", () =>
    Effect.gen(function* () {
      const { database, emulator } = yield* Shared.Shared
      const client = yield* Shared.wire()
      const denied = '0A000 setting configuration parameter "session_authorization" not supported'
      for (const superuser of ["postgres", "'postgres'"]) {
        yield* tells(client, `SET SESSION AUTHORIZATION ${superuser}`, denied)
      }
      yield* tells(client, "SELECT set_config('session_authorization', 'postgres', false)", denied)
      yield* tells(client, "SET SESSION AUTHORIZATION DEFAULT", "SET")
      yield* gives(client, "SELECT session_user, current_setting('is_superuser')", [["admin", "off"]])
      const postgres = yield* WireClient.make(emulator.connect, database, { user: "postgres" })
      assert.strictEqual(postgres.started.error?.sqlstate, "28000")
    })
  )

  it.effect("lets in the roles that clients have made", () =>
    Effect.gen(function* () {
      const { database, emulator } = yield* Shared.Shared
      const client = yield* Shared.wire()
      const role = `${database}_role`
      yield* tells(client, `CREATE ROLE ${role} LOGIN`, "CREATE ROLE")
      const own = yield* WireClient.make(emulator.connect, database, { user: role })
      yield* gives(own, "SELECT session_user, current_user", [[role, role]])
      yield* tells(client, `CREATE ROLE ${role}_closed`, "CREATE ROLE")
      const closed = yield* WireClient.make(emulator.connect, database, { user: `${role}_closed` })
      assert.strictEqual(closed.started.error?.sqlstate, "28000")
      own.destroy()
      yield* tells(client, `DROP ROLE ${role}_closed`, "DROP ROLE")
    })
  )

  it.effect("lets admin make schemas in every database, its first one too", () =>
    Effect.gen(function* () {
      const { database, emulator } = yield* Shared.Shared
      for (const each of ["postgres", database]) {
        const client = yield* WireClient.make(emulator.connect, each)
        yield* tells(client, `CREATE SCHEMA s_${database}`, "CREATE SCHEMA")
        yield* tells(client, `CREATE TABLE s_${database}.t (id int PRIMARY KEY)`, "CREATE TABLE")
        yield* tells(client, `DROP SCHEMA s_${database} CASCADE`, "DROP SCHEMA")
      }
    })
  )

  it.effect("has the databases that it has", () =>
    Effect.gen(function* () {
      const { emulator } = yield* Shared.Shared
      const lost = yield* WireClient.make(emulator.connect, "nowhere")
      assert.strictEqual(lost.started.error?.sqlstate, "3D000")
    })
  )

  it.effect("takes no notice of a request to cancel, as the service does", () =>
    Effect.gen(function* () {
      const { emulator } = yield* Shared.Shared
      const client = yield* Shared.wire()
      const key = client.started.frames.find((frame) => frame[0] === Frame.code.backendKeyData)
      assert.isDefined(key)
      const request = Buffer.alloc(16)
      request.writeInt32BE(16, 0)
      request.writeInt32BE(80_877_102, 4)
      key.copy(request, 8, 5)
      const cancel = Effect.callback<void>((resume) => {
        const socket = connect(emulator.port, emulator.host, () => socket.write(request))
        socket.on("close", () => resume(Effect.void)).resume()
      })
      const [answer] = yield* Effect.all([client.query("SELECT pg_sleep(0.2)"), cancel], { concurrency: 2 })
      assert.strictEqual(answer.results[0]?.tag, "SELECT 1")
    })
  )

  it.effect("warns nobody and loses nothing when BEGIN and COMMIT come at the wrong time", () =>
    Effect.gen(function* () {
      const client = yield* Shared.wire()
      yield* tells(client, "COMMIT", "COMMIT")
      yield* tells(client, "ROLLBACK", "ROLLBACK")
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, "ROLLBACK", "ROLLBACK")
    })
  )
})
