import { Postgres } from "@effect-dsql/emulator"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { existsSync } from "node:fs"
import { chmod, mkdtemp, rm, stat } from "node:fs/promises"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

const temporary = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "postgres-test-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

describe("Postgres.make", () => {
  it.live("removes a temporary directory when its scope closes", () =>
    Effect.gen(function* () {
      const server = yield* Effect.scoped(
        Effect.tap(Postgres.make(), (running) => Effect.sync(() => assert.isTrue(existsSync(running.dataDirectory))))
      )
      assert.isFalse(existsSync(server.dataDirectory))
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
