/**
 * Writes of a program's own, which nothing settles unless it says how.
 */
import { Batch, Expression, Guard, Guarded, Transaction, Write } from "@effect-dsql/core"
import { Data, Effect, Stream } from "effect"
import type { SqlClient } from "effect/sql"
import { rangeId, shardId, write } from "./Case.ts"
import { sharded } from "./ShardWrites.ts"

const insertion = (sql: SqlClient.SqlClient, id: number) =>
  sql`INSERT INTO transfer_tasks ${sql.insert({ shard_id: shardId, task_id: id, data: new Uint8Array(), data_encoding: "Json" })}`

export const insert = (id: number) => Effect.flatMap(Transaction.sql, (sql) => insertion(sql, id))

/** Whether the row is there, which is locked then. */
export const there = (id: number) =>
  Effect.flatMap(Transaction.sql, (sql) =>
    Effect.map(
      sql`SELECT 1 FROM transfer_tasks WHERE shard_id = ${shardId} AND task_id = ${id} FOR UPDATE`,
      (rows) => rows.length > 0
    )
  )

/** What is not there may still come. */
const verifyAs =
  <A>(value: A) =>
  () =>
    Effect.map(there(1), (isThere) => (isThere ? Transaction.committed(value) : Transaction.unknown))

const verify = verifyAs(undefined)

const ids = [1, 2, 3] as const

const several = Effect.forEach(ids, insert, { discard: true })

const atOnce = Effect.forEach(ids, insert, { concurrency: "unbounded", discard: true })

/** One statement that is awaited, and two that are the end. */
const ended = Effect.andThen(
  insert(1),
  Effect.map(Transaction.sql, (sql) => ids.slice(1).map((id) => insertion(sql, id)))
)

const end = (sql: SqlClient.SqlClient) => ids.map((id) => insertion(sql, id))

const unknown = { unknown: true }

const verified = { when: "with verify", unknown: true }

export const TransactionWrites = {
  run: [
    write(Transaction.run(several), undefined, unknown),
    write(Transaction.run(several, { verify }), undefined, verified),
    write(Transaction.run(atOnce), undefined, { ...unknown, when: "at once" }),
    write(Transaction.run(atOnce, { verify }), undefined, { ...unknown, when: "at once, with verify" })
  ],
  finish: [
    write(Transaction.finish(ended), undefined, unknown),
    write(Transaction.finish(ended, { verify: verifyAs([[], []]) }), undefined, verified)
  ],
  batch: [
    write(Transaction.batch(end), undefined, unknown),
    write(Transaction.batch(end, { verify: verifyAs([[], [], []]) }), undefined, verified)
  ],
  autocommit: [
    write(Transaction.autocommit(insert(1)), undefined, unknown),
    write(Transaction.autocommit(Effect.asVoid(insert(1)), { verify }), undefined, verified)
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
