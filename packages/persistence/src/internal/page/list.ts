/**
 * Lists by pages: the one way that every list of this package cuts its rows, goes on, and treats a row that does not
 * decode.
 *
 * A query asks for one row more than the page may have, so that the last page says that it is the last. A token holds
 * the key of the last row before the next page; the query goes on after it.
 *
 * A page ends before a row that does not decode, and gives the good rows up to there. The page that would begin with
 * the bad row fails with `MalformedRow`, whose `next` is the token of the page after it. So nothing is lost and
 * nothing skipped unseen, and whoever wants the rest asks for it with `next`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Page, PageRequest, PageToken } from "../../PageToken.ts"
import { MalformedRow, PageSizeInvalid, type PageTokenInvalid } from "../../PersistenceError.ts"
import type { Codec } from "./tokens.ts"

/** Rows that a page has at most. The LIMIT of its query is one more. */
export const size = (request: PageRequest): number => Math.min(request.size ?? 100, 1000)

/** Where a list begins: the position of the token, none without one. What is asked for is refused here or never. */
export const start = Effect.fnUntraced(function* <P>(
  tokens: Codec<P>,
  request: PageRequest
): Effect.fn.Return<Option.Option<P>, PageSizeInvalid | PageTokenInvalid> {
  const { size, token } = request
  if (size !== undefined && !(Number.isInteger(size) && size > 0)) {
    return yield* new PageSizeInvalid({ list: tokens.list, size })
  }
  return token === undefined ? Option.none() : Option.some(yield* tokens.decode(token))
})

/**
 * The page of a query's rows, of which there may be one more than `size` allows. A list that passes over rows gives
 * those that are left, and by `rest` where it goes on after them, if it does.
 */
export const page = Effect.fnUntraced(function* <Row, A, P>(
  rows: ReadonlyArray<Row>,
  request: PageRequest,
  decode: (row: Row) => Effect.Effect<A, MalformedRow>,
  position: (row: Row) => P,
  tokens: Codec<P>,
  rest?: P
): Effect.fn.Return<Page<A>, MalformedRow> {
  const items: Array<A> = []
  const most = size(request)
  let last: Row | undefined
  const after = (row: Row) => tokens.encode(position(row))
  const end = rest === undefined ? undefined : tokens.encode(rest)
  for (const row of rows) {
    if (last !== undefined && items.length === most) return { items, next: after(last) }
    const decoded = yield* Effect.result(decode(row))
    if (decoded._tag === "Failure") {
      if (last !== undefined) return { items, next: after(last) }
      const { key, reason, table } = decoded.failure
      return yield* new MalformedRow({ table, key, reason, next: rows.length > 1 ? after(row) : end })
    }
    items.push(decoded.success)
    last = row
  }
  return { items, next: end }
})

/** All items from the token on, in the memory of one page. */
export const stream = <A, E, R>(
  request: PageRequest,
  read: (request: PageRequest) => Effect.Effect<Page<A>, E, R>
): Stream.Stream<A, E, R> =>
  Stream.paginate(request.token, (token: PageToken | undefined) =>
    Effect.map(read({ size: request.size, token }), ({ items, next }) => [items, Option.fromUndefinedOr(next)] as const)
  )
