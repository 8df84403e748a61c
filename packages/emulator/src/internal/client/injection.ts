/**
 * What an injected fault does: instead of a statement or a COMMIT, or after it.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Fault } from "../../Faults.ts"
import type * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import * as Refusal from "../statement/refusal.ts"

/** The client's connection is to end here and now, without a word. */
export class Cut extends Data.TaggedError("Cut")<{}> {}

const before: Readonly<Partial<Record<Fault, Refusal.Refusal>>> = {
  conflict: Refusal.dataConflict,
  "schema-conflict": Refusal.schemaConflict,
  unavailable: Refusal.unavailable
}

/** What a fault comes to before anything took effect. */
export const strike = (fault: Fault | undefined): Effect.Effect<Refusal.Refusal | undefined, Cut> =>
  fault === "cut" ? Effect.fail(new Cut()) : Effect.succeed(fault === undefined ? undefined : before[fault])

/** What a fault comes to once everything took effect. */
export const aftermath = (fault: Fault | undefined): Effect.Effect<Frame.Frame | undefined, Cut> =>
  fault === "cut-after"
    ? Effect.fail(new Cut())
    : Effect.succeed(fault === "unavailable-after" ? ServerMessage.error(Refusal.unavailable) : undefined)
