/**
 * For how long a statement may take effect.
 *
 * The bytes of a statement whose connection was lost may still be under way, and the server runs them when they come,
 * with a snapshot of then. So a statement that a lost answer is to be settled for names an instant of the server's
 * clock, and does nothing after it. Who waits until that instant is over sees what became of it once and for all.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type { SqlClient } from "effect/sql/SqlClient"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import * as Expression from "../../Expression.ts"
import * as Guard from "../../Guard.ts"
import { type Client, leased } from "./leased.ts"
import * as ServerClock from "./serverClock.ts"
import { Single } from "./single.ts"

/** The validity of what one attempt sends. */
export interface Validity {
  /**
   * When it is over, in milliseconds since 1970 by the server's clock; undefined where what was sent names no instant,
   * and `always` where it is a COMMIT: its transaction's snapshot is older than whatever looks for it.
   */
  until: number | undefined
  /** By how many milliseconds that may be later than was meant, because nobody knows the server's clock better. */
  late: number
}

/** Over from the beginning. */
export const always = Number.NEGATIVE_INFINITY

const tooLate = new Error("the statement came after the instant until which it was valid, and did nothing")

/** The validity that is asked for, if one is. */
export const Validity = Context.Reference<Validity | undefined>("@effect-dsql/core/internal/transaction/Validity", {
  defaultValue: () => undefined
})

/**
 * How long a statement is valid, and how far apart the clocks of a cluster's servers may be, in milliseconds. AWS keeps
 * its servers' clocks within a millisecond (Time Sync Service), and a statement is under way for less than a second.
 */
export const Lifetime = Context.Reference("@effect-dsql/core/internal/transaction/Lifetime", {
  defaultValue: () => ({ valid: 3_000, skew: 1_000 })
})

/** The guard that makes a statement void after its instant, where one is asked for. */
export const guard = (client: SqlClient): Effect.Effect<Guard.Guard<SqlError> | undefined> =>
  Effect.withFiber((fiber) => {
    const validity = fiber.getRef(Validity)
    if (validity === undefined) return Effect.succeed(undefined)
    const { at, late } = ServerClock.now(client)
    validity.until = at + fiber.getRef(Lifetime).valid
    validity.late = late
    return Effect.succeed(before(client, validity.until, fiber.getRef(Single)))
  })

const before = (client: SqlClient, until: number, single: Single | undefined): Guard.Guard<SqlError> => {
  const asked = ServerClock.here()
  return Guard.make({
    name: "instant",
    row: { select: Expression.sql`SELECT now() AS now`, lock: undefined },
    columns: ["now"],
    holds: (row) => Guard.exists(row, Expression.sql`now < ${Expression.value("timestamptz", until)}`),
    refuse: (found) =>
      Effect.suspend(() => {
        // It did nothing, and says what time it is.
        if (single !== undefined) single.isVoid = true
        if (found?.["now"] instanceof Date) ServerClock.learn(client, found["now"].getTime(), asked)
        return Effect.fail(new SqlError({ reason: new UnknownError({ cause: tooLate, operation: "query" }) }))
      })
  })
}

/**
 * Whether what was sent can still take effect: it cannot, because it is `over`; nobody can say, because it is `endless`
 * and names no instant; or its instant is further away than one can be, because the server's clock was set meanwhile.
 */
export type State = "over" | "endless" | "far"

/** Waits until what was sent is void, by the server's clock and whichever server is asked, where that comes soon. */
export const over = (client: Client, validity: Validity): Effect.Effect<State, SqlError> =>
  Effect.withFiber((fiber) => {
    const { late, until } = validity
    if (until === undefined) return Effect.succeed("endless")
    if (until === always) return Effect.succeed("over")
    const { skew, valid } = fiber.getRef(Lifetime)
    return Effect.gen(function* () {
      while (true) {
        const now = yield* leased(client, time(client.sql), identity)
        if (now === undefined) return "far"
        const left = until + skew - now
        if (left < 0) return "over"
        if (left > 2 * (valid + skew) + late) return "far"
        yield* ServerClock.sleep(left + 1)
      }
    })
  })

/** Asked on a connection that is there: how long it takes to connect says nothing of the clock. */
const time = (sql: SqlClient) =>
  Effect.suspend(() => {
    const asked = ServerClock.here()
    return Effect.map(sql.unsafe("SELECT now()").values, ([row]) => {
      const now = row?.[0]
      if (!(now instanceof Date)) return undefined
      ServerClock.learn(sql, now.getTime(), asked)
      return now.getTime()
    })
  })
