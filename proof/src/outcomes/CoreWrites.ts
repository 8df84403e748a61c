/**
 * Writes of a program's own, which nothing settles unless it says how.
 */
import { Batch, Transaction } from "@effect-dsql/core"
import { Effect, Stream } from "effect"
import { shardId, write } from "./Case.ts"

const insert = (id: number) =>
  Effect.flatMap(
    Transaction.sql,
    (sql) =>
      sql`INSERT INTO transfer_tasks ${sql.insert({ shard_id: shardId, task_id: id, data: new Uint8Array(), data_encoding: "Json" })}`
  )

/** Looks for the row with its lock, so that a COMMIT which is under way conflicts where there is a row. */
const verify = () =>
  Effect.flatMap(Transaction.sql, (sql) =>
    Effect.map(sql`SELECT 1 FROM transfer_tasks WHERE shard_id = ${shardId} FOR UPDATE`, (rows) =>
      rows.length > 0 ? Transaction.committed(undefined) : Transaction.unknown
    )
  )

const several = Effect.andThen(insert(1), insert(2))

export const TransactionWrites = {
  run: [
    write(Transaction.run(several)),
    write(Transaction.run(Effect.asVoid(several), { verify }), undefined, { when: "with verify" })
  ],
  autocommit: [
    write(Transaction.autocommit(insert(1))),
    write(Transaction.autocommit(Effect.asVoid(insert(1)), { verify }), undefined, { when: "with verify" })
  ]
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
      )
    )
  ],
  drain: [write(Stream.runDrain(Batch.drain(() => remove)), Transaction.run(several))]
}
