/**
 * Writes of a program's own, which nothing settles unless it says how.
 */
import { Batch, Expression, Guard, Guarded, Transaction, Write } from "@effect-dsql/core"
import { Data, Effect, Stream } from "effect"
import { rangeId, shardId, write } from "./Case.ts"
import { sharded } from "./ShardWrites.ts"

export const insert = (id: number) =>
  Effect.flatMap(
    Transaction.sql,
    (sql) =>
      sql`INSERT INTO transfer_tasks ${sql.insert({ shard_id: shardId, task_id: id, data: new Uint8Array(), data_encoding: "Json" })}`
  )

/** Whether the row is there, which is locked then. */
export const there = (id: number) =>
  Effect.flatMap(Transaction.sql, (sql) =>
    Effect.map(
      sql`SELECT 1 FROM transfer_tasks WHERE shard_id = ${shardId} AND task_id = ${id} FOR UPDATE`,
      (rows) => rows.length > 0
    )
  )

/** What is not there may still come. */
const verify = () =>
  Effect.map(there(1), (isThere) => (isThere ? Transaction.committed(undefined) : Transaction.unknown))

const several = Effect.andThen(insert(1), insert(2))

export const TransactionWrites = {
  run: [
    write(Transaction.run(several), undefined, { unknown: true }),
    write(Transaction.run(Effect.asVoid(several), { verify }), undefined, { when: "with verify", unknown: true })
  ],
  autocommit: [
    write(Transaction.autocommit(insert(1)), undefined, { unknown: true }),
    write(Transaction.autocommit(Effect.asVoid(insert(1)), { verify }), undefined, {
      when: "with verify",
      unknown: true
    })
  ]
}

class NotOwned extends Data.TaggedError("NotOwned") {}

/** A task below its shard, which only the shard's owner adds. */
const guarded = Guarded.write({
  guards: [
    Guard.make({
      name: "shard",
      row: Guard.row("shards", { shard_id: Expression.value("integer", shardId) }, ["range_id"], "shared"),
      columns: ["range_id"],
      holds: (row) => Guard.exists(row, Expression.sql`range_id = ${Expression.value("bigint", rangeId)}`),
      refuse: () => Effect.fail(new NotOwned())
    })
  ],
  writes: [
    Write.insert({
      into: "transfer_tasks",
      columns: {
        shard_id: Expression.value("integer", shardId),
        task_id: Expression.value("bigint", 1n),
        data: Expression.value("bytea", new Uint8Array()),
        data_encoding: Expression.value("text", "Json")
      }
    })
  ]
})

/**
 * Looks once the statement's instant is over, and takes the lock of what the write holds in any case: neither the
 * statement nor a COMMIT that is under way can come after it.
 */
const verifyGuarded = () =>
  Effect.gen(function* () {
    const sql = yield* Transaction.sql
    yield* sql`SELECT 1 FROM shards WHERE shard_id = ${shardId} FOR UPDATE`
    return (yield* there(1)) ? Transaction.committed(undefined) : Transaction.notCommitted
  })

export const GuardedWrites = {
  write: [write(Transaction.autocommit(Effect.asVoid(guarded), { verify: verifyGuarded }), sharded)]
}

const remove = Effect.flatMap(Transaction.sql, (sql) =>
  Effect.map(
    sql`DELETE FROM transfer_tasks WHERE shard_id = ${shardId} AND task_id <= 2 RETURNING 1`,
    (rows) => rows.length
  )
)

export const BatchWrites = {
  write: [
    write(
      Stream.runDrain(
        Batch.write(Stream.make(1, 2), (ids) => Effect.forEach(ids, (id) => insert(id), { discard: true }))
      ),
      undefined,
      { unknown: true }
    )
  ],
  drain: [write(Stream.runDrain(Batch.drain(() => remove)), Transaction.run(several), { unknown: true })]
}
