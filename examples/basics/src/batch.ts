/**
 * Batches: more rows than a transaction may change, in pieces that are committed one by one.
 *
 * A transaction on Aurora DSQL changes at most 3,000 rows. `Batch.write` cuts a stream below that, each piece is a
 * transaction with its own retries, and what has come out of the stream is what is done: the place to go on from.
 */
import { Batch, Transaction } from "@effect-dsql/core"
import { Testing } from "@effect-dsql/testing"
import { Array, Console, Effect, Stream } from "effect"

/** Leaves the same rows behind however often it runs, so `repeat` settles a COMMIT whose answer was lost. */
const insert = (ids: Array.NonEmptyReadonlyArray<number>) =>
  Effect.flatMap(
    Transaction.sql,
    (sql) => sql`INSERT INTO events ${sql.insert(Array.map(ids, (id) => ({ id })))} ON CONFLICT DO NOTHING`
  )

/** Writes the events after one, up to 4,000, and gives the last one of each piece once it is committed. */
const load = (after: number) =>
  Batch.write(Stream.range(after + 1, 4_000), insert, { rows: 1_000 }, { operation: "LoadEvents", repeat: true }).pipe(
    Stream.map(({ last }) => last)
  )

/**
 * Deletes in pieces, until one comes out short: each up to the last of the first ids, a range of the index. For
 * `id IN (SELECT … LIMIT …)` a plan may look for these ids anew for each row.
 */
const drain = Batch.drain(
  (rows) =>
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      const gone = yield* sql`
        DELETE FROM events WHERE id <= (
          SELECT max(id) FROM (SELECT id FROM events ORDER BY id LIMIT ${rows}) AS first) RETURNING id`
      return gone.length
    }),
  { rows: 1_500 },
  { operation: "DropEvents" }
)

export const program = Effect.gen(function* () {
  const control = yield* Testing.Control
  // The first piece loses a conflict, and the answer to the second one's COMMIT is lost.
  yield* control.inject({ on: "commit", fault: "conflict", nth: [1] })
  yield* control.inject({ on: "commit", fault: "cut-after", nth: [3] })

  const before = yield* load(0).pipe(Stream.take(2), Stream.runCollect)
  yield* Console.log(`loaded to ${before.join(", then ")}, and stopped`)

  const after = yield* Stream.runCollect(load(before.at(-1) ?? 0))
  yield* Console.log(`went on to ${after.join(", then ")}`)

  const pieces = yield* Stream.runCollect(drain)
  yield* Console.log(`deleted ${pieces.join(" + ")}`)
})
