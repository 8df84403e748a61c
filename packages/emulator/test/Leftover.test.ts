import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Client } from "pg"
import { inject } from "vitest"
import { sharedPostgres } from "../../../test/postgres.ts"
import type { Backend } from "../src/internal/postgres/backend.ts"
import * as Leftover from "../src/internal/postgres/leftover.ts"

/** Of a kind that only one test opens. */
const parameters = (kind: string) =>
  [
    ["user", "postgres"],
    ["database", "postgres"],
    ["application_name", `leftover ${kind}`]
  ] as const

const connect = (kind: string) => Leftover.connect(sharedPostgres(), parameters(kind))

/** Opens a session and leaves it, after something was done with it. */
const left = (kind: string, use: (session: Backend) => Effect.Effect<unknown, unknown> = () => Effect.void) =>
  Effect.scoped(Effect.tap(connect(kind), use))

const gone = (session: Backend) => Effect.callback<void>((resume) => session.whenGone(() => resume(Effect.void)))

/** Asks the server by another way. */
const bystander = Effect.map(
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Client(inject("postgresUrl"))
      await client.connect()
      return client
    }),
    (client) => Effect.promise(() => client.end())
  ),
  (client) => (sql: string) => Effect.promise(() => client.query(sql))
)

describe("A session that an emulator leaves", () => {
  it.live("is the next one's, as it was", () =>
    Effect.gen(function* () {
      const first = yield* left("taken")
      const second = yield* left("taken", ({ query }) => query("SELECT 1"))
      assert.strictEqual(second.pid, first.pid)
      assert.notStrictEqual((yield* left("another")).pid, first.pid)
    })
  )

  it.live("answers nobody who has left it", () =>
    Effect.gen(function* () {
      const first = yield* left("answering")
      yield* Effect.gen(function* () {
        const second = yield* connect("answering")
        assert.strictEqual(second.pid, first.pid)
        assert.strictEqual((yield* Effect.flip(first.query("SELECT 1")))._tag, "BackendLost")
        assert.deepStrictEqual(yield* second.query("SELECT 2"), [["2"]])
      }).pipe(Effect.scoped)
    })
  )

  it.live("is given to nobody with another password", () =>
    Effect.gen(function* () {
      yield* left("secret")
      const other = { ...sharedPostgres(), password: Redacted.make("another") }
      const refused = yield* Effect.flip(Effect.scoped(Leftover.connect(other, parameters("secret"))))
      assert.strictEqual(refused.error.sqlstate, "28P01")
    })
  )

  it.live("is one emulator's at a time", () =>
    Effect.gen(function* () {
      const [one, other] = yield* Effect.all([connect("shared"), connect("shared")], { concurrency: 2 })
      assert.notStrictEqual(one.pid, other.pid)
    }).pipe(Effect.scoped)
  )

  it.live("ends when nobody takes it", () =>
    Effect.gen(function* () {
      const session = yield* left("forgotten")
      yield* gone(session)
      assert.notStrictEqual((yield* left("forgotten")).pid, session.pid)
    })
  )

  it.live("ends at once where four wait already", () =>
    Effect.gen(function* () {
      const five = Effect.scoped(Effect.replicateEffect(connect("many"), 5, { concurrency: 5 }))
      const first = yield* five
      // Before any of them is tired of waiting: nothing has to come from outside for that.
      const second = yield* five
      assert.lengthOf(
        second.filter(({ pid }) => first.some((session) => session.pid === pid)),
        4
      )
    })
  )

  it.live("is nobody's while it has a statement to answer", () =>
    Effect.gen(function* () {
      const ask = yield* bystander
      const waiting = "SET lock_timeout = '5 s'; SELECT pg_advisory_lock(hashtext('leftover'))"
      yield* ask("SELECT pg_advisory_lock(hashtext('leftover'))")
      const busy = yield* left("busy", ({ query }) =>
        Effect.forkDetach(Effect.ignore(query(waiting)), { startImmediately: true })
      )
      assert.isTrue(busy.isBusy())
      assert.notStrictEqual((yield* left("busy")).pid, busy.pid)
      yield* ask("SELECT pg_advisory_unlock(hashtext('leftover'))")
      yield* gone(busy)
    }).pipe(Effect.scoped)
  )

  it.live("is not missed where the server has ended it", () =>
    Effect.gen(function* () {
      const ask = yield* bystander
      const session = yield* left("ended")
      yield* ask(`SELECT pg_terminate_backend(${session.pid}, 20000)`)
      const next = yield* left("ended", ({ query }) => query("SELECT 1"))
      assert.notStrictEqual(next.pid, session.pid)
    }).pipe(Effect.scoped)
  )
})
