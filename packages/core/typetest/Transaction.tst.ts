import { Batch, DsqlClient, type DsqlError, Fence, RetryPolicy, Transaction } from "@effect-dsql/core"
import { type Duration, Effect, type Schedule } from "effect"
import type { SqlError } from "effect/sql"
import { describe, expect, it } from "tstyche"

declare const conflicting: Effect.Effect<number, DsqlError.SerializationConflict>
declare const fenced: Effect.Effect<number, DsqlError.SerializationConflict | DsqlError.ConditionFailed>
declare const unknownOutcome: Effect.Effect<number, DsqlError.CommitOutcomeUnknown>
declare const driver: Effect.Effect<number, SqlError.SqlError>
declare const body: Effect.Effect<number, SqlError.SqlError | DsqlError.ConditionFailed, Transaction.Transaction>
declare const client: DsqlClient.DsqlClient["Service"]
declare const stubborn: Schedule.Schedule<Duration.Duration, DsqlError.ConditionFailed>

const policy = RetryPolicy.make()

describe("RetryPolicy", () => {
  it("is a schedule of conflicts", () => {
    expect(policy).type.toBeAssignableTo<Schedule.Schedule<unknown, DsqlError.SerializationConflict>>()
  })

  it("retries what can fail with a conflict alone", () => {
    expect(Effect.retry).type.toBeCallableWith(conflicting, policy)
  })

  it("refuses what can fail with a moved fence", () => {
    expect(Effect.retry).type.not.toBeCallableWith(fenced, policy)
  })

  it("refuses what can end with an unknown outcome", () => {
    expect(Effect.retry).type.not.toBeCallableWith(unknownOutcome, policy)
  })

  it("refuses the driver's errors, of which a conflict is only one", () => {
    expect(Effect.retry).type.not.toBeCallableWith(driver, policy)
  })
})

describe("Transaction.run", () => {
  it("takes the driver's errors and conflicts away, and adds what a transaction can end with", () => {
    expect(Transaction.run(body)).type.toBe<
      Effect.Effect<number, DsqlError.ConditionFailed | DsqlError.TransactionError, DsqlClient.DsqlClient>
    >()
  })

  it("leaves nothing of a conflict to handle", () => {
    expect<DsqlError.SerializationConflict>().type.not.toBeAssignableTo<Transaction.Failure<SqlError.SqlError>>()
    expect<SqlError.SqlError>().type.not.toBeAssignableTo<Transaction.Failure<SqlError.SqlError>>()
  })

  it("refuses a body that runs a transaction of its own", () => {
    expect(Transaction.run).type.not.toBeCallableWith(Transaction.run(body))
    expect(Transaction.autocommit).type.not.toBeCallableWith(Transaction.run(body))
    expect(Transaction.run).type.not.toBeCallableWith(Effect.andThen(body, Transaction.autocommit(body)))
  })

  it("says why", () => {
    expect<Transaction.NotNested<DsqlClient.DsqlClient>>().type.toBe<{
      readonly "a transaction cannot start inside another: Aurora DSQL has no savepoints": never
    }>()
  })

  it("keeps the other requirements of a body", () => {
    class Clocked {
      readonly tick = 1
    }
    const needing = body as Effect.Effect<number, never, Transaction.Transaction | Clocked>
    expect(Transaction.run(needing)).type.toBe<
      Effect.Effect<number, DsqlError.TransactionError, DsqlClient.DsqlClient | Clocked>
    >()
  })

  it("does not take a policy for other errors", () => {
    expect(Transaction.run).type.not.toBeCallableWith(body, {
      policy: stubborn
    })
  })

  it("makes a verify return what the transaction returns", () => {
    expect(Transaction.run).type.toBeCallableWith(body, { verify: () => Effect.succeed(Transaction.committed(1)) })
    expect(Transaction.run).type.not.toBeCallableWith(body, {
      verify: () => Effect.succeed(Transaction.committed("one"))
    })
  })
})

describe("a statement", () => {
  it("needs a transaction, and a client alone is none", () => {
    expect(Effect.provideService(body, DsqlClient.DsqlClient, client)).type.toBe<
      Effect.Effect<number, SqlError.SqlError | DsqlError.ConditionFailed, Transaction.Transaction>
    >()
    expect(Effect.runPromise).type.not.toBeCallableWith(Effect.provideService(body, DsqlClient.DsqlClient, client))
  })

  it("is what every fence is made of", () => {
    const guard = { table: "shards", key: { shard_id: 1 }, token: "range_id" }
    type Fenced = Effect.Effect<void, DsqlError.ConditionFailed | SqlError.SqlError, Transaction.Transaction>
    expect(Fence.shared(guard, 1n)).type.toBe<Fenced>()
    expect(Fence.compareAndSet(guard, 1n, { range_id: 2n })).type.toBe<Fenced>()
    expect(Fence.compareAndSet).type.not.toBeCallableWith(guard, 1n, {})
  })
})

describe("Batch", () => {
  it("refuses a piece that runs a transaction of its own", () => {
    expect(Batch.drain).type.not.toBeCallableWith(() => Transaction.run(body))
    expect(Batch.drain).type.toBeCallableWith(() => body)
  })
})

describe("Transaction.finish", () => {
  it("gives the rows of the statements that its body returns, in their places", () => {
    const ended = Transaction.finish(
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        return [sql<{ readonly a: number }>`SELECT 1 AS a`, sql<{ readonly b: string }>`SELECT 'x' AS b`] as const
      })
    )
    expect(ended).type.toBe<
      Effect.Effect<
        readonly [ReadonlyArray<{ readonly a: number }>, ReadonlyArray<{ readonly b: string }>],
        DsqlError.TransactionError,
        DsqlClient.DsqlClient
      >
    >()
  })

  it("gives the rows of any number of them", () => {
    const ended = Transaction.batch((sql) => [1, 2].map((id) => sql<{ readonly a: number }>`SELECT ${id} AS a`))
    expect<Effect.Success<typeof ended>>().type.toBeAssignableTo<ReadonlyArray<ReadonlyArray<{ readonly a: number }>>>()
  })

  it("takes statements, and nothing that something could be done after", () => {
    expect(Transaction.finish).type.not.toBeCallableWith(Effect.succeed([Effect.void]))
    expect(Transaction.finish).type.not.toBeCallableWith(Effect.succeed(1))
    expect(Transaction.finish).type.not.toBeCallableWith(Transaction.run(body))
  })
})
