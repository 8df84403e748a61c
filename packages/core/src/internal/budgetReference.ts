/**
 * The budget that connections are opened on, apart from its makers: they need a client themselves.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { ConnectionBudget } from "../ConnectionBudget.ts"

export const Budget = Context.Reference<ConnectionBudget>("@effect-dsql/core/ConnectionBudget", {
  defaultValue: () => ({ lease: Effect.void })
})
