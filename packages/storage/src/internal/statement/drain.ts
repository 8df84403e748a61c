/**
 * Deletes as many rows as there are.
 */
import * as Removal from "@effect-dsql/core/Removal"
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Failure, Statements } from "./statement.ts"

/** Deletes rows, the first ones first, until none is left. Run again after a failure, it goes on. */
export const drain = (statements: Statements, operation: string, rows: Removal.Rows): Effect.Effect<void, Failure> =>
  Stream.runDrain(Removal.by(rows, (statement) => statements.write(operation, statement)))
