/**
 * The same transaction as other clients send it.
 */
import { AuroraDSQLPool } from "@aws/aurora-dsql-node-postgres-connector"
import { Effect, Redacted } from "effect"
import knex from "knex"
import pg from "pg"
import postgres from "postgres"

const begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"
const read = "SELECT n FROM bench_rows WHERE id = $1"
const write = "UPDATE bench_rows SET n = n + 1 WHERE id = $1"

/** AWS's connector signs a token for each transaction, for a cluster; this server takes the password. */
class ConnectorPool extends AuroraDSQLPool {
  override connect(): Promise<pg.PoolClient>
  override connect(callback: Parameters<AuroraDSQLPool["connect"]>[0]): void
  override connect(callback?: Parameters<AuroraDSQLPool["connect"]>[0]): unknown {
    return Reflect.apply(pg.Pool.prototype.connect, this, callback === undefined ? [] : [callback])
  }
}

const both = async (client: pg.PoolClient, id: number): Promise<void> => {
  await client.query({ name: "read", text: read, values: [id] })
  await client.query({ name: "write", text: write, values: [id] })
}

/** The contenders, whose connections are closed with the scope. */
export const others = Effect.fnUntraced(function* (url: Redacted.Redacted, max: number, nextId: () => number) {
  const connectionString = Redacted.value(url)
  const { hostname, password, pathname, port, username } = new URL(connectionString)
  const pool = yield* Effect.acquireRelease(
    Effect.sync(() => new pg.Pool({ connectionString, max })),
    (pool) => Effect.promise(() => pool.end())
  )
  const connector = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new ConnectorPool({
          host: hostname,
          port: Number(port),
          database: pathname.slice(1),
          user: username,
          password: decodeURIComponent(password),
          region: "us-east-1",
          ssl: false,
          max
        })
    ),
    (pool) => Effect.promise(() => pool.end())
  )
  const builder = yield* Effect.acquireRelease(
    Effect.sync(() => knex({ client: "pg", connection: connectionString, pool: { min: 0, max } })),
    (builder) => Effect.promise(() => builder.destroy())
  )
  const sql = yield* Effect.acquireRelease(
    Effect.sync(() => postgres(connectionString, { max })),
    (sql) => Effect.promise(() => sql.end())
  )
  const contender = (name: string, transaction: (id: number) => Promise<unknown>) => ({
    name,
    once: Effect.promise(() => transaction(nextId()))
  })
  return [
    contender("pg by hand", async (id) => {
      const client = await pool.connect()
      try {
        await client.query(begin)
        await both(client, id)
        await client.query("COMMIT")
      } finally {
        client.release()
      }
    }),
    contender("pg through AWS's connector", (id) => connector.transaction((client) => both(client, id))),
    contender("Knex", (id) =>
      builder.transaction(
        async (trx) => {
          await trx("bench_rows").where({ id }).select("n")
          await trx("bench_rows").where({ id }).increment("n", 1)
        },
        { isolationLevel: "repeatable read" }
      )
    ),
    contender("postgres.js", (id) =>
      sql.begin("ISOLATION LEVEL REPEATABLE READ", async (sql) => {
        await sql`SELECT n FROM bench_rows WHERE id = ${id}`
        await sql`UPDATE bench_rows SET n = n + 1 WHERE id = ${id}`
      })
    ),
    contender("postgres.js, pipelined", (id) =>
      sql.begin("ISOLATION LEVEL REPEATABLE READ", (sql) => [
        sql`SELECT n FROM bench_rows WHERE id = ${id}`,
        sql`UPDATE bench_rows SET n = n + 1 WHERE id = ${id}`
      ])
    )
  ]
})
