/**
 * Tests prove that statements read: what is said to be proven they send where the server refuses to write.
 */
import * as Context from "effect/Context"

/** Whether it is to be proven. */
export const Proving = Context.Reference<boolean>("@effect-dsql/core/internal/transaction/Proving", {
  defaultValue: () => false
})
