/**
 * Counts statements as they are sent through Effect SQL; BEGIN and COMMIT are the driver's own and not among them.
 */
import { Effect } from "effect"
import { Statement } from "effect/sql"

/** How many statements an effect sends. */
export const counted = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    let count = 0
    return Effect.as(
      Effect.provideService(effect, Statement.CurrentTransformer, (statement) => {
        count++
        return Effect.succeed(statement)
      }),
      undefined
    ).pipe(Effect.map(() => count))
  })
