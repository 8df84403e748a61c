import { Emulator, Postgres } from "@effect-dsql/emulator"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { existsSync, watch } from "node:fs"
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"

const temporary = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "postgres-test-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** Waits until there is a file of a name somewhere below a directory. */
const appearing = (directory: string, name: string) =>
  Effect.callback<void>((resume) => {
    const watcher = watch(directory, { recursive: true }, (_, path) => {
      if (path === null || basename(path) !== name) return
      watcher.close()
      resume(Effect.void)
    })
    return Effect.sync(() => watcher.close())
  })

describe("Postgres.make", () => {
  it.live("removes a temporary directory when its scope closes", () =>
    Effect.gen(function* () {
      const server = yield* Effect.scoped(
        Effect.tap(Postgres.make(), (running) => Effect.sync(() => assert.isTrue(existsSync(running.dataDirectory))))
      )
      assert.isFalse(existsSync(server.dataDirectory))
    })
  )

  it.live("leaves nothing behind where it is interrupted while it makes its data", () =>
    Effect.gen(function* () {
      const temporaryDirectory = yield* temporary
      yield* Effect.promise(() => chmod(temporaryDirectory, 0o755))
      const making = yield* Effect.forkChild(Effect.scoped(Postgres.make({ temporaryDirectory })))
      yield* appearing(temporaryDirectory, "data")
      yield* Fiber.interrupt(making)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(temporaryDirectory)), [])
    })
  )

  it.live("makes its temporary directory where it is told to", () =>
    Effect.gen(function* () {
      const temporaryDirectory = yield* temporary
      yield* Effect.promise(() => chmod(temporaryDirectory, 0o755))
      const server = yield* Postgres.make({ temporaryDirectory })
      assert.strictEqual(dirname(server.dataDirectory), temporaryDirectory)
    })
  )

  it.live("keeps a given directory, and its password with it", () =>
    Effect.gen(function* () {
      const dataDirectory = yield* temporary
      const first = yield* Effect.scoped(Postgres.make({ dataDirectory }))
      const second = yield* Effect.scoped(Postgres.make({ dataDirectory }))
      assert.strictEqual(Redacted.value(second.password), Redacted.value(first.password))
    })
  )

  it.live("lets an emulator in through a Unix socket, unless its path would be too long", () =>
    Effect.gen(function* () {
      const above = yield* temporary
      yield* Effect.promise(() => chmod(above, 0o755))
      for (const [directory, isShort] of [
        ["with a space", true],
        ["l".repeat(100), false]
      ] as const) {
        const postgres = yield* Postgres.make({ dataDirectory: join(above, directory) })
        assert.strictEqual(postgres.socket !== undefined && existsSync(postgres.socket), isShort)
        yield* Emulator.make({ postgres })
        const sql = yield* PgClient.makeClient({ url: postgres.url() })
        const sessions = yield* sql`SELECT client_addr FROM pg_stat_activity WHERE application_name LIKE '%emulator'`
        assert.isAbove(sessions.length, 0)
        assert.isTrue(sessions.every(({ client_addr }) => (client_addr === null) === isShort))
      }
    }).pipe(Effect.scoped, Effect.provide(Reactivity.layer))
  )

  it.live("makes the directories above a given one, open to whoever PostgreSQL runs as", () =>
    Effect.gen(function* () {
      const above = yield* temporary
      yield* Effect.promise(() => chmod(above, 0o755))
      yield* Effect.scoped(Postgres.make({ dataDirectory: join(above, "some", "where") }))
      const made = yield* Effect.promise(() => stat(join(above, "some")))
      assert.strictEqual(made.mode & 0o755, 0o755)
    })
  )

  it.live("says that a directory is in use", () =>
    Effect.gen(function* () {
      const dataDirectory = yield* temporary
      yield* Postgres.make({ dataDirectory })
      const error = yield* Effect.flip(Postgres.make({ dataDirectory }))
      assert.strictEqual(
        error.message,
        `${dataDirectory} is in use by another server: stop that one, or choose another directory`
      )
    })
  )

  it.live("initialises a directory once when two start in it at the same time", () =>
    Effect.gen(function* () {
      const dataDirectory = yield* temporary
      const both = yield* Effect.all(
        [Effect.result(Postgres.make({ dataDirectory })), Effect.result(Postgres.make({ dataDirectory }))],
        {
          concurrency: "unbounded"
        }
      )
      const refused = both.flatMap((each) => (each._tag === "Failure" ? [each.failure.message] : []))
      assert.deepStrictEqual(refused, [
        `${dataDirectory} is in use by another server: stop that one, or choose another directory`
      ])
    })
  )

  it.live("takes over from an owner that was killed while it initialised", () =>
    Effect.gen(function* () {
      const dataDirectory = yield* temporary
      // A process id that no process can have.
      yield* Effect.promise(() => writeFile(join(dataDirectory, "initialising"), String(2 ** 30)))
      yield* Effect.promise(() => mkdir(join(dataDirectory, "data.new")))
      yield* Effect.scoped(Postgres.make({ dataDirectory }))
      assert.isFalse(existsSync(join(dataDirectory, "initialising")))
    })
  )

  it.live("leaves a directory alone that holds somebody else's files", () =>
    Effect.gen(function* () {
      const dataDirectory = yield* temporary
      yield* Effect.promise(() => mkdir(join(dataDirectory, "data")))
      const error = yield* Effect.flip(Postgres.make({ dataDirectory }))
      assert.deepStrictEqual(
        [error.reason, error.message],
        ["foreign", `${dataDirectory} holds other files: choose a new directory, or one that was made for this`]
      )
    })
  )

  it.live("says on a restart, too, that the disk is full", () =>
    Effect.gen(function* () {
      const dataDirectory = yield* temporary
      yield* Effect.scoped(Postgres.make({ dataDirectory }))
      const options = join(dataDirectory, "data", "postmaster.opts")
      yield* Effect.promise(() => rm(options))
      yield* Effect.promise(() => symlink("/dev/full", options))
      const error = yield* Effect.flip(Postgres.make({ dataDirectory }))
      assert.match(error.message, /^PostgreSQL did not start in .*: .*postmaster\.opts.*: No space left on device$/)
    })
  )

  it.live("tells when the server dies", () =>
    Effect.gen(function* () {
      const { dataDirectory, ended = Effect.never } = yield* Postgres.make()
      const [pid] = (yield* Effect.promise(() => readFile(join(dataDirectory, "data/postmaster.pid"), "utf8"))).split(
        "\n"
      )
      process.kill(Number(pid), "SIGKILL")
      assert.strictEqual((yield* Effect.flip(ended)).reason, "ended")
    })
  )

  it.live("says that a port is in use", () =>
    Effect.gen(function* () {
      const listener = yield* Effect.acquireRelease(
        Effect.callback<Server>((resume) => {
          const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const address = listener.address()
      assert(typeof address === "object" && address !== null)
      const port = address.port
      const error = yield* Effect.flip(Postgres.make({ port }))
      assert.strictEqual(error.message, `port ${port} is in use: choose another`)
    })
  )
})
