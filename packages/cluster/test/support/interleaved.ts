/**
 * An operation and what happens in the middle of it.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Effect, type Scope } from "effect"
import { asItIs, type Rewrite, stepping } from "../../../../test/sessions.ts"

/** Where something happens: the operation has its snapshot and has sent nothing, or has sent all but its COMMIT. */
export const moments = { "before its statement": 2, "before its commit": 3 } as const

export type Moment = keyof typeof moments

/** Runs an operation of one statement, its retries too; `meanwhile` happens at a moment of the first attempt. */
export const interleaved = <A, E, B, F>(
  operation: Effect.Effect<A, E>,
  moment: Moment,
  meanwhile: Effect.Effect<B, F>,
  rewrite: Rewrite = asItIs
) =>
  Effect.map(interleavedWithin(Effect.succeed(operation), moment, meanwhile, rewrite), ({ turns, ...found }) => ({
    ...found,
    attempts: Math.ceil(turns / 3)
  }))

/**
 * The same of an operation that is made ready on the stepped client itself, so that what a storage sends for several who
 * ask at once is stepped through as well.
 */
export const interleavedWithin = <A, E, B, F, E2>(
  readied: Effect.Effect<Effect.Effect<A, E>, E2, DsqlClient.DsqlClient | Scope.Scope>,
  moment: Moment,
  meanwhile: Effect.Effect<B, F>,
  rewrite: Rewrite = asItIs
) =>
  Effect.gen(function* () {
    const client = yield* DsqlClient.DsqlClient
    const context = yield* Effect.context<never>()
    let turns = 0
    let isReady = false
    let happened: { readonly value: B } | undefined
    const turn = Effect.suspend(() => {
      if (!isReady) return Effect.void
      turns++
      if (turns !== moments[moment]) return Effect.void
      // It happens on connections of its own.
      return Effect.map(Effect.setContext(Effect.orDie(meanwhile), context), (value) => {
        happened = { value }
      })
    })
    const program = Effect.flatMap(Effect.orDie(readied), (operation) => {
      isReady = true
      return Effect.exit(operation)
    })
    const exit = yield* stepping(client, turn, rewrite, Effect.scoped(program))
    if (happened === undefined) return yield* Effect.die(new Error(`the operation ended ${moment}`))
    return { exit, meanwhile: happened.value, turns }
  })
