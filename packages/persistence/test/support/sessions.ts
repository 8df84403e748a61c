/**
 * Sessions that step through real transactions, on connections of their own, in an order that is given.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Persistence } from "@effect-dsql/persistence"
import { Effect, type Exit, Layer, Queue } from "effect"
import * as fc from "fast-check"
import { asItIs, inSteps, type Rewrite, steps } from "../../../../test/stepping.ts"

/** How many runs a property has, and where they begin. */
export type Runs = Required<Pick<fc.Parameters, "numRuns" | "seed">> & Pick<fc.Parameters, "endOnFailure">

/** How many runs a property has, and where its random numbers begin. `PROPERTY_RUNS` multiplies the first. */
export const parameters = (runs: number): Runs => ({
  numRuns: runs * Number(process.env["PROPERTY_RUNS"] ?? 1),
  seed
})

/** Where a property that does not hold must be found out, every time the same. */
export const mustFail = { numRuns: 1000, seed: 0x5eed, endOnFailure: true } as const

/** `PROPERTY_SEED`, or another one each time; it stands in the names of the suites. */
export const seed: number = Number(process.env["PROPERTY_SEED"] ?? fc.sample(fc.nat(), 1)[0])

/** Whose turn it is, again and again: turns that nobody wants any more are passed over. */
export const schedules = fc.array(fc.nat(3), { minLength: 4, maxLength: 24 })

/** A program that needs the stores, as one of several processes would run it. */
export type Program<A, E> = Effect.Effect<A, E, Persistence.Persistence | DsqlClient.DsqlClient>

export const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : String(error)

/** Runs programs at once, each as a process of its own, step by step as the schedule says, then each to its end. */
export const interleave = Effect.fnUntraced(function* <A, E>(
  programs: ReadonlyArray<Program<A, E>>,
  schedule: ReadonlyArray<number>,
  rewrite: Rewrite = asItIs
) {
  const client = yield* DsqlClient.DsqlClient
  const sessions = yield* Effect.forEach(
    programs,
    Effect.fnUntraced(function* (program) {
      const [permits, reports] = [yield* Queue.unbounded<void>(), yield* Queue.unbounded<"waiting" | "done">()]
      const turn = Effect.andThen(Queue.offer(reports, "waiting"), Queue.take(permits))
      const exits: Array<Exit.Exit<A, E>> = []
      yield* stepping(client, turn, rewrite, program).pipe(
        Effect.onExit((exit) => Effect.sync(() => exits.push(exit))),
        Effect.exit,
        Effect.andThen(Queue.offer(reports, "done")),
        Effect.forkChild
      )
      return { permits, reports, exits, state: yield* Queue.take(reports) }
    })
  )
  const step = Effect.fnUntraced(function* (session: (typeof sessions)[number]) {
    yield* Queue.offer(session.permits, undefined)
    session.state = yield* Queue.take(session.reports)
  })
  for (const index of schedule) {
    const session = sessions[index % sessions.length]
    if (session?.state === "waiting") yield* step(session)
  }
  for (const session of sessions) while (session.state === "waiting") yield* step(session)
  return sessions.flatMap(({ exits }) => exits)
})

/** Runs a program on stores of its own, whose every step waits for its turn. */
const stepping = <A, E>(
  client: DsqlClient.DsqlClient["Service"],
  turn: Effect.Effect<unknown>,
  rewrite: Rewrite,
  program: Program<A, E>
): Effect.Effect<A, E> => {
  const { autocommitted, withTransaction } = steps(client, { turn, rewrite, table: "shards" })
  const text: typeof client.sql = Object.assign(client.sql.bind(undefined), client.sql, { withTransaction })
  const stores = Layer.fresh(Persistence.layer).pipe(
    Layer.provideMerge(
      Layer.succeed(DsqlClient.DsqlClient, { ...client, sql: text, reserve: Effect.succeed(autocommitted) })
    )
  )
  return inSteps(client, autocommitted, Effect.provide(program, stores))
}
