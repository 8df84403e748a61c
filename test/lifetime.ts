/**
 * A short time for which a statement may take effect: whoever lost its answer waits until it is over, and so does a
 * test of that.
 */
import { Effect, Layer } from "effect"
import { Lifetime } from "../packages/core/src/internal/transaction/validity.ts"

/** The client's, where it is provided: long enough for a machine that is busy with other tests. */
export const BriefLifetime = Layer.succeed(Lifetime, { valid: 1_000, skew: 100 })

/** For what others have to be done with before it is over, however busy the machine is. */
export const AmpleLifetime = Layer.succeed(Lifetime, { valid: 4_000, skew: 100 })

/** For what nobody disturbs, however busy the machine is. */
export const unhurried = Effect.provideService(Lifetime, { valid: 60_000, skew: 100 })
