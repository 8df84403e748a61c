/**
 * The rows of a statement, a page at a time: a portal of the transaction gives the next one when it is asked for, and
 * what else the transaction sends goes in between. Only one page is held.
 */
import type { Row } from "@effect/sql-pg/PgConnection"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { Cycle, Settle } from "../wire/cycle.ts"

/** The rows of a page. */
const size = 500

/** How a portal is read. */
export interface Reading {
  /** The statement that opens it, which gives the first of so many rows. */
  readonly open: (rows: number, settle: Settle) => Cycle
  readonly send: (cycle: Cycle) => void
  /** Told why a page did not come. */
  readonly failed: (cause: Cause.Cause<SqlError>) => void
  readonly close: () => void
}

/** Reads a portal to its end, or closes it. */
export const inPages = ({ close, failed, open, send }: Reading): Stream.Stream<Row, SqlError> => {
  const page = (before: Cycle | undefined) =>
    Effect.callback<readonly [ReadonlyArray<Row>, Option.Option<Cycle>], SqlError>((resume) => {
      const settle: Settle = (exit) => {
        if (Exit.isSuccess(exit)) {
          const next = cycle.isSuspended ? Option.some(cycle) : Option.none()
          return resume(Effect.succeed([exit.value.result.rows, next]))
        }
        failed(exit.cause)
        resume(Effect.failCause(exit.cause))
      }
      before?.resume(settle)
      const cycle = before ?? open(size, settle)
      send(cycle)
      return Effect.sync(cycle.abandon)
    })
  return Stream.unwrap(
    Effect.gen(function* () {
      let isOpen = false
      yield* Effect.addFinalizer(() => Effect.sync(() => isOpen && close()))
      return Stream.paginate(undefined, (before: Cycle | undefined) => {
        isOpen = true
        return Effect.tap(page(before), ([, next]) =>
          Effect.sync(() => {
            isOpen = Option.isSome(next)
          })
        )
      })
    })
  )
}
