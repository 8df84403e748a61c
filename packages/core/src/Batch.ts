/**
 * Bulk work in transactions below DSQL's limits, resumable where it stopped.
 *
 * A transaction may change 3,000 rows and 10 MiB, index entries included, and a
 * long one conflicts more. So a batch is cut far below both, each piece commits
 * by itself, and each commit is an element of a stream: when a batch fails, the
 * elements that came out are what is done.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Limits from "@effect-dsql/dialect/Limits"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DsqlClient } from "./DsqlClient.ts"
import { LimitExceeded } from "./DsqlError.ts"
import * as check from "./internal/options/check.ts"
import * as Transaction from "./Transaction.ts"

/**
 * A piece that has been committed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Committed<A, B> {
  /** What the piece's transaction returned. */
  readonly value: B
  /** How many items the piece had. */
  readonly items: number
  /** How many items are committed by now, this piece included: where to resume. */
  readonly total: number
  /** The last item of the piece. */
  readonly last: A
}

/**
 * How items are cut into transactions.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<A> {
  /** Rows that one transaction changes at most. Default: 500, the service's own advice; at most 3,000. */
  readonly rows?: number | undefined
  /** Bytes that one transaction changes at most. Default: 4 MiB, which leaves room for index entries; at most 10 MiB. */
  readonly bytes?: number | undefined
  /** Rows that an item changes. Default: 1. */
  readonly rowsOf?: ((item: A) => number) | undefined
  /** Bytes that an item writes, for example by `Size.rowBytes`. Default: 0, which cuts by rows alone. */
  readonly bytesOf?: ((item: A) => number) | undefined
}

/**
 * Writes items in as many transactions as they need, in order.
 *
 * @example
 * ```ts
 * import { Batch, Transaction } from "@effect-dsql/core"
 * import { Array, Effect, Stream } from "effect"
 *
 * const insert = (ids: Array.NonEmptyReadonlyArray<number>) =>
 *   Effect.flatMap(Transaction.sql, (sql) => sql`INSERT INTO events ${sql.insert(Array.map(ids, (id) => ({ id })))}`)
 *
 * const program = Batch.write(Stream.range(1, 10_000), insert, {}, { operation: "ImportEvents" }).pipe(
 *   Stream.runForEach((piece) => Effect.logInfo(`${piece.total} written`))
 * )
 * ```
 *
 * @since 0.1.0
 * @category batches
 */
export const write = <A, E, R, B, E2, R2, R3 = never>(
  items: Stream.Stream<A, E, R>,
  body: (items: Arr.NonEmptyReadonlyArray<A>) => Effect.Effect<B, E2, R2> & Transaction.NotNested<R2>,
  options: Options<A> = {},
  run: Transaction.Options<B, R3> = {}
): Stream.Stream<
  Committed<A, B>,
  E | LimitExceeded | Transaction.Failure<E2>,
  R | DsqlClient | Exclude<R2 | R3, Transaction.Transaction>
> =>
  Stream.suspend(() => pieces(items, options)).pipe(
    Stream.mapAccumEffect(
      () => 0,
      (total, piece) =>
        Effect.map(Transaction.run<B, E2, R2, R3>(body(piece), run), (value) => {
          const done = total + piece.length
          const committed: Committed<A, B> = { value, items: piece.length, total: done, last: Arr.lastNonEmpty(piece) }
          return [done, [committed]] as const
        })
    )
  )

/**
 * Repeats a bounded change, such as a DELETE of at most `rows` rows, until one changes fewer than it might have.
 * Each element is the number of rows of one transaction. Run again after a failure, it goes on.
 *
 * @example
 * ```ts
 * import { Batch, Transaction } from "@effect-dsql/core"
 * import { Effect } from "effect"
 *
 * const expire = (rows: number) =>
 *   Effect.gen(function*() {
 *     const sql = yield* Transaction.sql
 *     const deleted = yield* sql`
 *       DELETE FROM events WHERE expired AND id <= (
 *         SELECT max(id) FROM (SELECT id FROM events WHERE expired ORDER BY id LIMIT ${rows}) AS first) RETURNING 1`
 *     return deleted.length
 *   })
 *
 * const program = Batch.drain(expire, {}, { operation: "ExpireEvents" })
 * ```
 *
 * @since 0.1.0
 * @category batches
 */
export const drain = <E, R, R2 = never>(
  body: (rows: number) => Effect.Effect<number, E, R> & Transaction.NotNested<R>,
  options: Pick<Options<never>, "rows"> = {},
  run: Transaction.Options<number, R2> = {}
): Stream.Stream<number, Transaction.Failure<E>, DsqlClient | Exclude<R | R2, Transaction.Transaction>> => {
  const { rows } = maximumOf(options)
  return Stream.paginate(undefined, () =>
    Effect.map(
      Transaction.run<number, E, R, R2>(counting(body(rows)), run),
      (changed) => [changed === 0 ? [] : [changed], changed < rows ? Option.none() : Option.some(undefined)] as const
    )
  )
}

/** Refuses an answer that is no count: it might never be below `rows`, and nothing would end. */
const counting = <E, R, Nested>(body: Effect.Effect<number, E, R> & Nested) => {
  const counted = Effect.tap(body, (changed) =>
    Number.isSafeInteger(changed) && changed >= 0
      ? Effect.void
      : Effect.die(new Error(`the body of Batch.drain changed ${changed} rows, which is no count`))
  )
  // It needs what the body needs and nothing more, so what was proven of the body's needs is true of it.
  return counted as Effect.Effect<number, E, R> & Nested
}

const defaults = { rows: 500, bytes: 4 * 1024 * 1024 }

const maximumOf = (options: Pick<Options<never>, "rows" | "bytes">) => ({
  rows: Math.min(check.whole("rows", options.rows ?? defaults.rows, 1), Limits.transactionRows),
  bytes: Math.min(check.whole("bytes", options.bytes ?? defaults.bytes, 1), Limits.transactionBytes)
})

/** Cuts items so that no piece exceeds either bound; an item that exceeds one by itself ends the stream. */
const pieces = <A, E, R>(items: Stream.Stream<A, E, R>, options: Options<A>) => {
  const maximum = maximumOf(options)
  const rowsOf = sized("rowsOf", options.rowsOf ?? (() => 1))
  const bytesOf = sized("bytesOf", options.bytesOf ?? (() => 0))
  return items.pipe(
    Stream.mapAccumEffect(
      (): Piece<A> => ({ items: [], rows: 0, bytes: 0 }),
      (open, item) => {
        const rows = rowsOf(item)
        const bytes = bytesOf(item)
        if (rows > maximum.rows) return tooLarge("transaction_rows", rows, maximum.rows)
        if (bytes > maximum.bytes) return tooLarge("transaction_bytes", bytes, maximum.bytes)
        if (open.rows + rows > maximum.rows || open.bytes + bytes > maximum.bytes) {
          return Effect.succeed([{ items: [item], rows, bytes }, [open.items]])
        }
        open.items.push(item)
        return Effect.succeed([{ items: open.items, rows: open.rows + rows, bytes: open.bytes + bytes }, []])
      },
      { onHalt: (open) => [open.items] }
    ),
    Stream.filter(Arr.isArrayNonEmpty)
  )
}

/** A size that is NaN would be below every bound, and no piece would ever be full. */
const sized =
  <A>(name: string, sizeOf: (item: A) => number) =>
  (item: A): number => {
    const size = sizeOf(item)
    if (size >= 0) return size
    throw new Error(`${name} says ${size}, which is no size`)
  }

/** A piece that is being filled. Its items are its own until it is given out. */
interface Piece<A> {
  readonly items: Array<A>
  readonly rows: number
  readonly bytes: number
}

const tooLarge = (limit: LimitExceeded["limit"], size: number, maximum: number) =>
  Effect.fail(
    new LimitExceeded({
      limit,
      message: `one item changes ${size} ${limit === "transaction_rows" ? "rows" : "bytes"}; a transaction takes at most ${maximum}`
    })
  )
