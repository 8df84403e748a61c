import { DsqlClient, DsqlError, Transaction } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { database, TestCluster } from "../../../test/database.ts"

/** Errors as a cluster sent them: raised by the real server with the recorded fields. */
const recorded: ReadonlyArray<{
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly is: Readonly<Record<string, unknown>> & { readonly _tag: DsqlError.DsqlError["_tag"] }
}> = [
  {
    code: "0A000",
    message: "unsupported statement: Truncate",
    is: { _tag: "UnsupportedFeature" }
  },
  { code: "42704", message: 'type "serial" does not exist', is: { _tag: "UnsupportedFeature" } },
  {
    code: "54000",
    message: "transaction row limit exceeded",
    is: { _tag: "LimitExceeded", limit: "transaction_rows" }
  },
  {
    code: "54000",
    message: "transaction size limit 10mb exceeded",
    is: { _tag: "LimitExceeded", limit: "transaction_bytes" }
  },
  {
    code: "54000",
    message: "transaction age limit of 300s exceeded",
    is: { _tag: "LimitExceeded", limit: "transaction_age" }
  },
  {
    code: "54000",
    message: "query requires more than allowed temp space of 131072 KB to execute",
    is: { _tag: "LimitExceeded", limit: "query_memory" }
  },
  {
    code: "54011",
    message: "more than 8 column keys in an index are not supported",
    is: { _tag: "LimitExceeded", limit: "index_columns" }
  },
  {
    code: "53400",
    message: "Unable to accept connection, rate exceeded.",
    is: { _tag: "ConnectionThrottled" }
  },
  {
    code: "53300",
    message: "Unable to accept connection, too many open connections.",
    is: { _tag: "TooManyConnections" }
  },
  {
    code: "28000",
    message: "unable to accept connection, access denied",
    hint: "Signature expired: 20260915T000000Z is now earlier than 20260915T001000Z",
    is: { _tag: "AuthenticationFailed", reason: "expired" }
  },
  {
    code: "28000",
    message: "Wrong user to action mapping. user: app, action: DbConnectAdmin",
    is: { _tag: "AuthenticationFailed", reason: "role" }
  },
  { code: "08006", message: "connection failure", is: { _tag: "ConnectionLost", phase: "statement" } },
  { code: "XX000", message: "server unavailable", is: { _tag: "ConnectionLost", phase: "statement" } },
  { code: "22012", message: "division by zero", is: { _tag: "StatementFailed", sqlState: "22012" } }
]

const statement = (text: string) => Effect.flatMap(Transaction.sql, (sql) => sql.unsafe(text))

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`

const raise = (error: { readonly code: string; readonly message: string; readonly hint?: string | undefined }) =>
  statement(
    `DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = ${literal(error.code)}, MESSAGE = ${literal(error.message)}, HINT = ${literal(error.hint ?? "none")}; END $$`
  )

const schema = Layer.effectDiscard(
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* sql`CREATE TABLE parent (id integer PRIMARY KEY)`
    yield* sql`CREATE TABLE child (
      id integer CONSTRAINT child_key PRIMARY KEY,
      parent integer CONSTRAINT child_parent REFERENCES parent,
      age integer NOT NULL CONSTRAINT child_age CHECK (age >= 0)
    )`
    yield* sql`INSERT INTO parent VALUES (1)`
    yield* sql`INSERT INTO child VALUES (1, 1, 1)`
  })
)

layer(Layer.provideMerge(schema, TestCluster()), { excludeTestServices: true })("DsqlError", (it) => {
  for (const error of recorded) {
    it.effect(`classifies ${error.code} ${error.message} as ${error.is._tag}`, () =>
      Effect.gen(function* () {
        const failure = yield* Effect.flip(Transaction.run(raise(error)))
        for (const [field, value] of Object.entries(error.is)) assert.propertyVal(failure, field, value)
        assert.strictEqual(failure.message, error.message)
        assert(DsqlError.isDsqlError(failure))
      })
    )
  }

  it.effect("names the constraint and table of a unique violation", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(Transaction.run(statement("INSERT INTO child VALUES (1, 1, 1)")))
      assert.include(failure, { _tag: "UniqueViolation", constraint: "child_key", table: "child" } as const)
    })
  )

  it.effect("names the constraint of a foreign key violation", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(Transaction.run(statement("INSERT INTO child VALUES (2, 9, 1)")))
      assert.include(failure, { _tag: "ForeignKeyViolation", constraint: "child_parent" } as const)
    })
  )

  it.effect("names the constraint of a check violation", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(Transaction.run(statement("INSERT INTO child VALUES (2, 1, -1)")))
      assert.include(failure, { _tag: "CheckViolation", constraint: "child_age" } as const)
    })
  )

  it.effect("names the column that may not be null", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(Transaction.run(statement("INSERT INTO child VALUES (2, 1, NULL)")))
      assert.include(failure, { _tag: "NotNullViolation", column: "age", table: "child" } as const)
    })
  )

  it.effect("gives the state of what has no tag of its own, and keeps the driver's error as cause", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(Transaction.run(statement("SELECT * FROM nowhere")))
      assert.include(failure, { _tag: "StatementFailed", sqlState: "42P01" } as const)
      assert.strictEqual(failure.message, 'relation "nowhere" does not exist')
      assert.propertyVal(failure.cause, "_tag", "SqlError")
    })
  )

  it.effect("reports a wrong password as denied, and shows it nowhere", () =>
    Effect.gen(function* () {
      const url = new URL(Redacted.value(yield* database))
      url.password = "not-the-password"
      const failure = yield* Transaction.run(statement("SELECT 1")).pipe(
        Effect.provide(DsqlClient.layerUrl({ url: Redacted.make(url.href) })),
        Effect.flip
      )
      assert.include(failure, { _tag: "AuthenticationFailed", reason: "denied" } as const)
      assert.notInclude(JSON.stringify(failure) + String(failure) + failure.stack, "not-the-password")
    })
  )

  it.effect("reports a host that does not answer as no connection", () =>
    Effect.gen(function* () {
      const failure = yield* Transaction.run(statement("SELECT 1")).pipe(
        Effect.provide(DsqlClient.layerPostgres({ host: "127.0.0.1", port: 1 })),
        Effect.flip
      )
      assert.include(failure, { _tag: "ConnectionLost", phase: "connect" } as const)
      assert.include(failure.message, "127.0.0.1:1")
    })
  )

  it.effect("says what a failed fence expected and found", () =>
    Effect.sync(() => {
      const moved = new DsqlError.ConditionFailed({ what: "shards(shard_id = 7).range_id", expected: 5n, actual: 6n })
      assert.strictEqual(moved.message, "shards(shard_id = 7).range_id: expected 5, but it is 6")
      const gone = new DsqlError.ConditionFailed({
        what: "shards(shard_id = 7).range_id",
        expected: 5n,
        actual: undefined
      })
      assert.strictEqual(gone.message, "shards(shard_id = 7).range_id: expected 5, but there is no such row")
    })
  )
})
