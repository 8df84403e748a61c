import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Client } from "pg"
import { heldBytes } from "../../../test/heldBytes.ts"
import * as ClientMessage from "../src/internal/protocol/clientMessage.ts"
import * as Keeper from "./keeper.ts"
import * as Shared from "./shared.ts"

const clients = 200
const transactions = 5_000
const rows = 20

const connect = async (url: string) => {
  const client = new Client(url)
  client.on("error", () => {})
  await client.connect()
  await client.query("SELECT enter()")
  return client
}

/** Ends a client, its socket included. */
const end = async (client: Client) => {
  const { stream } = client.connection
  const closed = new Promise((resolve) => stream.once("close", resolve))
  await client.end()
  await closed
}

const half = Buffer.from([0x51, 0, 0, 1, 0, 0x53, 0x45, 0x4c])
const commit = ClientMessage.query("COMMIT")

/** Ends a client's socket as soon as these bytes are written. */
const breakOff = async (client: Client, bytes: Buffer) => {
  const { stream } = client.connection
  const closed = new Promise((resolve) => stream.once("close", resolve))
  stream.write(bytes, () => stream.destroy())
  await closed
}

const isConflict = (error: unknown) => error instanceof Error && error.message.includes("OC000")

/** The n-th transaction, and how it ended. */
const transact = async (client: Client, n: number): Promise<"committed" | "lost" | "died"> => {
  const [one, other] = [n % rows, (n * 5 + 3) % rows]
  try {
    if (n % 5 > 0) await client.query("UPDATE hot SET n = n + 1 WHERE id = $1", [one])
    else {
      await client.query("BEGIN")
      await client.query("UPDATE hot SET n = n + 1 WHERE id = $1", [one])
      if (n % 50 === 0) {
        await breakOff(client, n % 100 === 0 ? half : commit)
        return "died"
      }
      if (n % 10 === 0) await client.query("SELECT n FROM hot WHERE id = $1 FOR UPDATE", [other])
      else await client.query("UPDATE hot SET n = n - 1 WHERE id = $1", [other])
      await client.query("COMMIT")
    }
    return "committed"
  } catch (error) {
    if (!isConflict(error)) throw error
    return "lost"
  }
}

/** Changes a row that all others change as well, and commits when all of them have. */
const collide = async (client: Client, others: Promise<void>, changed: () => void): Promise<"committed" | "lost"> => {
  await client.query("BEGIN")
  await client.query("UPDATE hot SET n = n + 1 WHERE id = 0").finally(changed)
  await others
  try {
    await client.query("COMMIT")
    return "committed"
  } catch (error) {
    if (!isConflict(error)) throw error
    return "lost"
  }
}

/** 200 clients that collide once, and share 5,000 transactions over twenty rows; who dies is replaced. */
const run = (url: string) => {
  const told = { committed: 0, lost: 0, died: 0 }
  let next = 0
  let waiting = clients
  const all = Promise.withResolvers<void>()
  const changed = () => {
    waiting -= 1
    if (waiting === 0) all.resolve()
  }
  const work = Effect.gen(function* () {
    let client = yield* Effect.promise(() => connect(url))
    told[yield* Effect.promise(() => collide(client, all.promise, changed))]++
    for (let n = next++; n < transactions; n = next++) {
      const end = yield* Effect.promise(() => transact(client, n))
      told[end]++
      if (end === "died") client = yield* Effect.promise(() => connect(url))
    }
    yield* Effect.promise(() => end(client))
  })
  return Effect.as(Effect.replicateEffect(work, clients, { concurrency: "unbounded" }), told)
}

layer(Shared.layer({ log: false }), { excludeTestServices: true })("200 connections in conflict", (it) => {
  const nothing = { connections: 0, sessions: 0, transactions: 0, parked: 0, locks: 0, requests: 0, others: 0 }

  /** Everything that is held for clients, here and in PostgreSQL, once the sessions of all have ended. */
  const left = (keeper: Effect.Success<typeof Keeper.make>) =>
    Effect.gen(function* () {
      const { emulator } = yield* Shared.Shared
      const others = yield* keeper.empty
      return { ...(yield* emulator.holdings), others }
    })

  it.effect("leave nothing behind after 10,000 transactions, some of them cut off", () =>
    Effect.gen(function* () {
      const { url } = yield* Shared.Shared
      const keeper = yield* Keeper.make
      const admin = yield* Effect.promise(() => connect(url))
      yield* Effect.promise(() => admin.query("CREATE TABLE hot (id int PRIMARY KEY, n int NOT NULL)"))
      yield* Effect.promise(() => admin.query(`INSERT INTO hot SELECT i, 0 FROM generate_series(0, ${rows - 1}) i`))
      yield* Effect.promise(() => end(admin))
      const held: Array<number> = []
      for (const turn of ["first", "second"]) {
        const told = yield* run(url)
        assert.deepStrictEqual(yield* left(keeper), nothing, turn)
        held.push(heldBytes())
        // One wins the collision. Of the others, each is lost to one that commits meanwhile, and no client has two.
        assert.isAtLeast(told.lost, clients - 1)
        assert.isAtLeast(told.committed, (transactions - told.died) / clients)
        assert.strictEqual(told.died + told.lost + told.committed, clients + transactions)
      }
      const [first = 0, second = 0] = held
      // 8,000 statements and 300 connections: what kept a word of each would be seen.
      assert.isBelow(second - first, 2 * 1024 * 1024)
    }).pipe(Effect.scoped)
  )

  /** Locks: a transaction has come to its COMMIT, may not go on, and has a session. */
  const [commits, kept, lives] = [1, 2, 3]

  /** A client that the keeper knows of. */
  const enter = Effect.tap(Shared.client(), (client) => Effect.promise(() => client.query("SELECT enter()")))

  it.effect("leave no locks of a transaction whose client dies while it commits", () =>
    Effect.gen(function* () {
      const { emulator } = yield* Shared.Shared
      const keeper = yield* Keeper.make
      // COMMIT waits for a lock that only this test knows of, and lets go of one before.
      yield* keeper.query(`
          CREATE TABLE slow (id int PRIMARY KEY, n int NOT NULL);
          GRANT ALL ON slow TO admin;
          INSERT INTO slow VALUES (1, 0), (2, 0);
          CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM let_go(${commits}), hold(${kept}); RETURN NULL;
          END $$;
          CREATE CONSTRAINT TRIGGER wait AFTER UPDATE ON slow DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION wait();
          SELECT hold(${kept})`)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const reader = yield* enter
          yield* Effect.promise(() => reader.query("BEGIN"))
          yield* Effect.promise(() => reader.query("SELECT n FROM slow"))
          const victim = yield* enter
          yield* Effect.promise(() => victim.query(`SELECT hold(${commits}), hold(${lives})`))
          yield* Effect.promise(() => victim.query("BEGIN"))
          yield* Effect.promise(() => victim.query("SELECT n FROM slow WHERE id = 2 FOR UPDATE"))
          yield* Effect.promise(() => victim.query("UPDATE slow SET n = 1 WHERE id = 1"))
          victim.query("COMMIT").catch(() => {})
          yield* keeper.released(commits)
          assert.strictEqual((yield* emulator.holdings).locks, 1)
          victim.connection.stream.destroy()
          yield* keeper.released(lives)
          assert.strictEqual((yield* emulator.holdings).transactions, 1)
          const later = yield* enter
          yield* Effect.promise(() => later.query("BEGIN"))
          yield* Effect.promise(() => later.query("SELECT n FROM slow"))
          assert.strictEqual((yield* emulator.holdings).locks, 1)
          // Nobody is left who was there before.
          yield* Effect.promise(() => reader.query("COMMIT"))
          assert.strictEqual((yield* emulator.holdings).locks, 0)
        })
      )
      yield* keeper.query(`SELECT let_go(${kept})`)
      assert.deepStrictEqual(yield* left(keeper), nothing)
    }).pipe(Effect.scoped)
  )
})
