import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Stream } from "effect"
import postgres from "postgres"
import * as Shared from "./shared.ts"

const effectClient = (options: PgClient.PgPoolConfig) =>
  Effect.map(Layer.build(PgClient.layer(options)), (context) => Context.get(context, PgClient.PgClient))

const bigint = 9_007_199_254_740_993n

layer(Shared.layer(), { excludeTestServices: true })("clients", (it) => {
  it.effect("node-postgres: parameters, types, named statements, errors with their fields", () =>
    Effect.gen(function* () {
      const client = yield* Shared.client()
      const query = (text: string, values: Array<unknown> = []) => Effect.promise(() => client.query({ text, values }))
      yield* query("CREATE TABLE pg_types (id bigint PRIMARY KEY, at timestamptz, body bytea, doc jsonb, tags text)")
      const at = new Date("2026-09-18T09:04:23.123Z")
      yield* query("INSERT INTO pg_types VALUES ($1, $2, $3, $4, $5)", [
        bigint,
        at,
        Buffer.from([0, 255]),
        { a: 1 },
        null
      ])
      const { rows } = yield* query("SELECT * FROM pg_types WHERE id = $1", [bigint])
      assert.deepStrictEqual(rows, [{ id: String(bigint), at, body: Buffer.from([0, 255]), doc: { a: 1 }, tags: null }])
      for (let n = 0; n < 3; n++) {
        const named = yield* Effect.promise(() =>
          client.query({ name: "sum", text: "SELECT $1::int + 1 AS n", values: [n] })
        )
        assert.deepStrictEqual(named.rows, [{ n: n + 1 }])
      }
      const error: unknown = yield* Effect.promise(() =>
        client.query("SELECT * FROM missing").catch((cause: unknown) => cause)
      )
      assert.include(error, { code: "42P01", severity: "ERROR", position: "15" })
      const duplicate: unknown = yield* Effect.promise(() =>
        client.query("INSERT INTO pg_types (id) VALUES ($1)", [bigint]).catch((cause: unknown) => cause)
      )
      assert.include(duplicate, { code: "23505", constraint: "pg_types_pkey", table: "pg_types" })
      const syntax: unknown = yield* Effect.promise(() => client.query("SELEC 1").catch((cause: unknown) => cause))
      assert.include(syntax, { code: "42601", position: "1" })
    })
  )

  it.effect("a named statement whose first run failed is still known, and judged like any other", () =>
    Effect.gen(function* () {
      const { emulator, url } = yield* Shared.Shared
      const label = "named after an error"
      const sql = yield* effectClient({ url: Redacted.make(url), maxConnections: 1, applicationName: label })
      yield* sql`CREATE TABLE known (id int PRIMARY KEY)`
      yield* sql`INSERT INTO known VALUES (1)`.unprepared
      const insert = (id: number) => sql`INSERT INTO known (id) VALUES (${id})`
      const duplicate = yield* Effect.flip(insert(1))
      assert.strictEqual(duplicate.reason._tag, "UniqueViolation")
      yield* emulator.control.inject({ on: "commit", fault: "conflict", nth: [1], label })
      const conflict = yield* Effect.flip(insert(2))
      yield* emulator.control.clear
      assert.strictEqual(conflict.reason._tag, "SerializationError")
      yield* insert(2)
      assert.strictEqual((yield* sql`SELECT id FROM known`).length, 2)
    })
  )

  it.effect("postgres.js: pipelined statements, transactions, cursors, describe", () =>
    Effect.gen(function* () {
      const { url } = yield* Shared.Shared
      const sql = yield* Effect.acquireRelease(
        Effect.sync(() => postgres(url, { max: 3, onnotice: () => {} })),
        (sql) => Effect.promise(() => sql.end())
      )
      yield* Effect.promise(async () => {
        await sql`CREATE TABLE js (id int PRIMARY KEY, n int)`
        await Promise.all(Array.from({ length: 50 }, (_, n) => sql`INSERT INTO js VALUES (${n}, ${n * 2})`))
        const sums = await Promise.all(Array.from({ length: 50 }, (_, n) => sql`SELECT n FROM js WHERE id = ${n}`))
        assert.deepStrictEqual(
          sums.map(([row]) => row?.["n"]),
          Array.from({ length: 50 }, (_, n) => n * 2)
        )
        const total = await sql.begin(async (tx) => {
          await tx`UPDATE js SET n = 0 WHERE id < 10`
          return tx`SELECT count(*)::int AS c FROM js WHERE n = 0`
        })
        assert.strictEqual(total[0]?.["c"], 10)
        const seen: Array<number> = []
        await sql`SELECT id FROM js ORDER BY id`.cursor(7, (rows) => {
          for (const row of rows) seen.push(row["id"])
        })
        assert.strictEqual(seen.length, 50)
        const statement = await sql`SELECT ${1}::int AS a`.describe()
        assert.deepStrictEqual(
          statement.columns.map((column) => column.name),
          ["a"]
        )
        const failed = await sql
          .begin(async (tx) => {
            await tx`INSERT INTO js VALUES (100, 1)`
            await tx`INSERT INTO js VALUES (1, 1)`
          })
          .catch((cause: unknown) => cause)
        assert.include(failed, { code: "23505" })
        assert.deepStrictEqual([...(await sql`SELECT 1 AS x FROM js WHERE id = 100`)], [])
      })
    })
  )

  for (const multiplex of [false, true]) {
    for (const stream of [false, true]) {
      it.effect(`@effect/sql-pg${multiplex ? ", multiplexed" : ""}${stream ? ", over a stream" : ""}`, () =>
        Effect.gen(function* () {
          const { database, emulator, url } = yield* Shared.Shared
          const sql = yield* effectClient({
            ...(stream ? { stream: emulator.connect, database, username: "admin" } : { url: Redacted.make(url) }),
            multiplex,
            maxConnections: multiplex ? 1 : 4
          })
          const name = sql(`sql_pg_${multiplex}_${stream}`)
          yield* sql`CREATE TABLE ${name} (id bigint PRIMARY KEY, n int, at timestamptz)`
          const ids = Array.from({ length: 100 }, (_, n) => BigInt(n))
          yield* Effect.forEach(ids, (id) => sql`INSERT INTO ${name} VALUES (${id}, ${Number(id) % 7}, now())`, {
            concurrency: "unbounded"
          })
          const found = yield* Effect.forEach(ids, (id) => sql<{ n: number }>`SELECT n FROM ${name} WHERE id = ${id}`, {
            concurrency: "unbounded"
          })
          assert.deepStrictEqual(
            found.map(([row]) => row?.n),
            ids.map((id) => Number(id) % 7)
          )
          const streamed = yield* Stream.runCollect(sql<{ id: bigint }>`SELECT id FROM ${name} ORDER BY id`.stream)
          assert.deepStrictEqual(
            [...streamed].map((row) => row.id),
            ids
          )
          yield* sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`UPDATE ${name} SET n = -1 WHERE id < 10`
              const rows = yield* sql<{ c: bigint }>`SELECT count(*) AS c FROM ${name} WHERE n = -1`
              assert.deepStrictEqual(rows, [{ c: 10n }])
            })
          )
          const lost = yield* Effect.flip(
            sql.withTransaction(
              Effect.andThen(
                sql`UPDATE ${name} SET n = 5 WHERE id = 1`,
                Effect.scoped(
                  Effect.gen(function* () {
                    const other = yield* effectClient({ url: Redacted.make(url), maxConnections: 1 })
                    yield* other`UPDATE ${other(`sql_pg_${multiplex}_${stream}`)} SET n = 6 WHERE id = 1`
                  })
                )
              )
            )
          )
          assert.strictEqual(lost.reason._tag, "SerializationError")
          const index = sql(`sql_pg_${multiplex}_${stream}_n`)
          const [job] = yield* sql<{ job_id: string }>`CREATE INDEX ASYNC ${index} ON ${name} (n)`
          const waited = yield* sql<{ succeeded: boolean }>`CALL sys.wait_for_job('${sql.literal(job?.job_id ?? "")}')`
          assert.deepStrictEqual(waited, [{ succeeded: true }])
          const refused = yield* Effect.flip(sql`TRUNCATE ${name}`)
          assert.include(refused.reason.cause, { code: "0A000", message: "unsupported statement: Truncate" })
        })
      )
    }
  }
})
