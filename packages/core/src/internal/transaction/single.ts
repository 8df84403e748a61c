/**
 * A program of one statement that commits by itself, and what comes of it, whatever the program makes of that.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { SqlError } from "effect/sql/SqlError"
import { leavesOpen } from "../errors/classify.ts"

export interface Single {
  /** It was found before anything was sent that one statement alone does not do. */
  needsTransaction: boolean
  /** The statement came after the instant until which it was valid, and did nothing. */
  isVoid: boolean
  /** The connection ended, or the server failed, before the statement was answered: it may have taken effect. */
  lost: SqlError | undefined
}

/** The program that runs, if it is a single statement, which cannot hold a transaction. */
export const Single = Context.Reference<Single | undefined>("@effect-dsql/core/internal/transaction/Single", {
  defaultValue: () => undefined
})

/** Keeps the error of a statement that left open what became of it. */
export const lose = (error: SqlError, fiber: Fiber.Fiber<unknown, unknown>): void => {
  const single = fiber.getRef(Single)
  if (single !== undefined && leavesOpen(error)) single.lost ??= error
}

/** Runs statements of a transaction: where there is room for one alone, ends the program so that it begins anew in one. */
export const inSeveral = <A, E, R>(statements: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const single = fiber.getRef(Single)
    if (single === undefined) return statements
    single.needsTransaction = true
    return Effect.die(new Error("this takes a transaction: a single statement does not do"))
  })
