import { Emulator } from "@effect-dsql/emulator"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { connect } from "node:net"
import { sharedPostgres } from "../../../test/postgres.ts"
import * as ClientMessage from "../src/internal/protocol/clientMessage.ts"
import * as Frame from "../src/internal/protocol/frame.ts"
import * as Keeper from "./keeper.ts"
import * as Shared from "./shared.ts"
import { gives, tells } from "./wireClient.ts"
import * as WireClient from "./wireClient.ts"

/** A client that the keeper knows of. */
const enter = Effect.tap(Shared.wire(), (client) => tells(client, "SELECT enter()", "SELECT 1"))

const maxMessageBytes = 1_000_000

layer(Shared.layer({ maxMessageBytes }), { excludeTestServices: true })("a bad client", (it) => {
  const deaths = {
    "in an idle transaction with locks": "SELECT 1",
    "in the middle of a statement": "SELECT let_go(1), pg_sleep(60)",
    "parked by another": "SELECT 1"
  }
  for (const [where, last] of Object.entries(deaths)) {
    it.effect(`that dies ${where} leaves nothing behind`, () =>
      Effect.gen(function* () {
        const keeper = yield* Keeper.make
        yield* Effect.scoped(
          Effect.gen(function* () {
            const admin = yield* enter
            yield* admin.query("CREATE TABLE IF NOT EXISTS d (id int PRIMARY KEY, n int)")
            yield* tells(admin, "SELECT 1", "SELECT 1")
            yield* admin.query("DELETE FROM d")
            yield* tells(admin, "INSERT INTO d VALUES (1, 0)", "INSERT 0 1")
            const victim = yield* enter
            yield* tells(victim, "SELECT hold(1)", "SELECT 1")
            yield* tells(victim, "BEGIN", "BEGIN")
            yield* tells(victim, "UPDATE d SET n = 1", "UPDATE 1")
            if (where.startsWith("parked"))
              yield* tells(admin, "BEGIN; UPDATE d SET n = 2; ROLLBACK", "BEGIN, UPDATE 1, ROLLBACK")
            yield* Effect.forkChild(victim.query(last))
            if (last !== "SELECT 1") yield* keeper.released(1)
            victim.destroy()
            yield* tells(admin, "UPDATE d SET n = 3", "UPDATE 1")
            yield* gives(admin, "SELECT n FROM d", [["3"]])
          })
        )
        assert.strictEqual(yield* keeper.empty, 0)
      }).pipe(Effect.scoped)
    )
  }

  it.effect("that sends what is no message is told so and leaves alone", () =>
    Effect.gen(function* () {
      const bystander = yield* Shared.wire()
      for (const bytes of [
        Buffer.from([0x51, 0, 0, 0, 1]),
        Buffer.from([0x7a, 0, 0, 0, 4]),
        Buffer.from([0x51, 0, 0, 0, 6, 0x41, 0x42]),
        Buffer.from([0x50, 0, 0, 0, 5, 0x41])
      ]) {
        const client = yield* Shared.wire()
        const answer = yield* client.send(bytes)
        assert.deepStrictEqual(
          [answer.error?.severity, answer.error?.sqlstate, answer.status],
          ["FATAL", "08P01", undefined]
        )
      }
      yield* tells(bystander, "SELECT 1", "SELECT 1")
    })
  )

  it.effect("that sends too large a message is cut off without a word", () =>
    Effect.gen(function* () {
      const client = yield* Shared.wire()
      const answer = yield* client.query(`SELECT '${"x".repeat(1_100_000)}'`)
      assert.deepStrictEqual([answer.error?.sqlstate, answer.status], [undefined, undefined])
    })
  )

  it.effect("that sends bytes which are no UTF-8 is told which, and goes on", () =>
    Effect.gen(function* () {
      const client = yield* Shared.wire()
      const latin = Buffer.from("SELECT 'caf\xe9'\0", "latin1")
      const told = { sqlstate: "22021", message: 'invalid byte sequence for encoding "UTF8": 0xe9 0x27' }
      const simple = yield* client.send(Frame.make(Frame.code.query, latin))
      assert.deepInclude(simple.error, told)
      const prepared = Frame.make(Frame.code.parse, Buffer.from("\0"), latin, Frame.int16(0))
      const extended = yield* client.send(Buffer.concat([prepared, ClientMessage.sync]))
      assert.deepInclude(extended.error, told)
      yield* tells(client, "SELECT 1", "SELECT 1")
    })
  )

  it.effect("that executes what it never prepared gets PostgreSQL's error and goes on", () =>
    Effect.gen(function* () {
      const client = yield* Shared.wire()
      const answer = yield* client.send(
        Buffer.concat([
          ClientMessage.bind("", "nowhere", Buffer.from([0, 0, 0, 0, 0, 0])),
          ClientMessage.execute("", 0),
          ClientMessage.sync
        ])
      )
      assert.deepStrictEqual([answer.error?.sqlstate, answer.status], ["26000", "I"])
      yield* tells(client, "SELECT 1", "SELECT 1")
    })
  )

  it.effect("at the startup of a connection harms nobody", () =>
    Effect.gen(function* () {
      const { emulator } = yield* Shared.Shared
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
            await new Promise<void>((resolve) => {
              const socket = connect(emulator.port, "127.0.0.1", () => socket.end(Buffer.from(bytes)))
              socket
                .on("error", () => {})
                .on("close", () => resolve())
                .resume()
            })
          }),
          { numRuns: 100, seed: 20_260_918 }
        )
      )
      const client = yield* Shared.wire()
      yield* tells(client, "SELECT 1", "SELECT 1")
    })
  )

  it.effect("that sends any messages in any order is answered or cut off, and nobody else notices", () =>
    Effect.gen(function* () {
      const { emulator, database } = yield* Shared.Shared
      const keeper = yield* Keeper.make
      const name = fc.constantFrom("", "a", "b")
      const statement = fc.constantFrom(
        "SELECT 1",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SELECT $1::int",
        "",
        "SELEC",
        "INSERT INTO f VALUES (1)",
        "TRUNCATE f"
      )
      const message = fc.oneof(
        fc.tuple(name, statement).map(([name, sql]) => ClientMessage.parse(name, sql, Buffer.from([0, 0]))),
        fc.tuple(name, name).map(([portal, name]) => ClientMessage.bind(portal, name, Buffer.from([0, 0, 0, 0, 0, 0]))),
        fc.tuple(name, fc.integer({ min: 0, max: 2 })).map(([portal, rows]) => ClientMessage.execute(portal, rows)),
        fc
          .tuple(fc.constantFrom("S" as const, "P" as const), name)
          .map(([kind, name]) => ClientMessage.close(kind, name)),
        fc.constant(ClientMessage.sync),
        fc.constant(Buffer.from([0x48, 0, 0, 0, 4])),
        statement.map(ClientMessage.query),
        fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes))
      )
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.array(message, { maxLength: 12 }), async (messages) => {
            await new Promise<void>((resolve) => {
              const socket = emulator.connect()
              socket
                .on("error", () => {})
                .on("close", () => resolve())
                .resume()
              const terminate = Buffer.from([0x58, 0, 0, 0, 4])
              socket.write(
                Buffer.concat([
                  ClientMessage.startup([
                    ["user", "admin"],
                    ["database", database]
                  ]),
                  ClientMessage.query("SELECT enter()"),
                  ...messages,
                  ClientMessage.sync,
                  terminate,
                  // Ends what announced more bytes than it has.
                  Buffer.alloc(maxMessageBytes)
                ])
              )
            })
          }),
          { numRuns: 150, seed: 20_260_918 }
        )
      )
      const client = yield* enter
      client.destroy()
      assert.strictEqual(yield* keeper.empty, 0)
    }).pipe(Effect.scoped)
  )
})

layer(Shared.layer(), { excludeTestServices: true })("an emulator over a server that goes on", (it) => {
  it.effect("ends its sessions when it ends, whatever they are in the middle of", () =>
    Effect.gen(function* () {
      const keeper = yield* Keeper.make
      const { database } = yield* Shared.Shared
      yield* Effect.scoped(
        Effect.gen(function* () {
          const other = yield* Emulator.make({ postgres: sharedPostgres() })
          for (const key of [1, 2, 3]) {
            const client = yield* WireClient.make(other.connect, database)
            yield* tells(client, "SELECT enter()", "SELECT 1")
            yield* tells(client, `SELECT hold(${key})`, "SELECT 1")
            yield* Effect.forkChild(client.query(`SELECT let_go(${key}), pg_sleep(600)`))
            yield* keeper.released(key)
          }
        })
      )
      assert.strictEqual(yield* keeper.empty, 0)
    }).pipe(Effect.scoped)
  )
})
