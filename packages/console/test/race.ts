/**
 * An emulator with a console, and programs that meet on it: what the tests and the pictures show.
 */
import { Console } from "@effect-dsql/console"
import { Emulator } from "@effect-dsql/emulator"
import { Effect, Redacted } from "effect"
import { Client } from "pg"
import { sharedPostgres } from "../../../test/postgres.ts"

/** An emulator with a database of its own, and its console. */
export const opened = Effect.gen(function* () {
  const emulator = yield* Emulator.make({ postgres: sharedPostgres(), jobDelay: "20 millis" })
  const database = `console_${process.pid}_${Math.random().toString(36).slice(2)}`
  yield* Effect.acquireRelease(emulator.createDatabase(database), () => Effect.orDie(emulator.dropDatabase(database)))
  const console = yield* Console.serve(emulator, { seed: 7 })
  const url = Redacted.value(console.url)
  const connect = (application_name: string) =>
    Effect.acquireRelease(
      Effect.promise(async () => {
        const client = new Client({ connectionString: Redacted.value(emulator.url(database)), application_name })
        client.on("error", () => {})
        await client.connect()
        return client
      }),
      (client) => Effect.promise(() => client.end().catch(() => {}))
    )
  return { emulator, connect, url, origin: new URL(url).origin, port: console.port }
})

/** Says something to a client; gives the SQLSTATE of what it is answered, or undefined. */
export const say = (client: Client, sql: string, values?: ReadonlyArray<unknown>) =>
  Effect.promise(() =>
    client.query(sql, values === undefined ? undefined : [...values]).then(
      () => undefined,
      (error: unknown) => (typeof error === "object" && error !== null && "code" in error ? String(error.code) : "lost")
    )
  )

export const withdraw = "UPDATE accounts SET balance = balance - 10 WHERE id = 7"
export const close = "UPDATE accounts SET balance = 0, closed = true WHERE id = 7"

/** A race that `orders` loses to `billing` on one row, and then wins. */
export const race = Effect.fnUntraced(function* (connect: Effect.Success<typeof opened>["connect"]) {
  const [orders, billing] = [yield* connect("orders"), yield* connect("billing")]
  yield* say(
    billing,
    "CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL, closed bool NOT NULL DEFAULT false)"
  )
  yield* say(billing, "INSERT INTO accounts VALUES (7, 100), (8, 100), (9, 100)")
  yield* say(orders, "BEGIN")
  yield* say(orders, "SELECT balance FROM accounts WHERE id = 7")
  yield* say(billing, "BEGIN")
  yield* say(billing, close)
  yield* say(orders, withdraw)
  yield* say(billing, "COMMIT")
  const lost = yield* say(orders, "COMMIT")
  yield* say(orders, "BEGIN")
  yield* say(orders, "SELECT balance FROM accounts WHERE id = 7")
  yield* say(orders, withdraw)
  yield* say(orders, "COMMIT")
  return { orders, billing, lost }
})
