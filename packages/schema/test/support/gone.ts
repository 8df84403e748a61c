/**
 * Somebody who is gone in the middle of his work: as a process leaves its connections that is killed, or cut off.
 */
import { Effect, Fiber, type Redacted } from "effect"
import * as Proxy from "../../../../test/proxy.ts"

/**
 * Steps are statements that change something, and COMMIT. To be gone after one that only reads, or inside a transaction,
 * leaves the server as it was.
 */
export const isStep = (): Which => {
  let open = 0
  return (sql: string, first: string) => {
    if (first.startsWith("BEGIN")) open += 1
    else if (sql === "COMMIT" || sql === "ROLLBACK") open -= 1
    return sql === "COMMIT" || (open === 0 && !/^(ROLLBACK|SELECT|WITH c AS|WITH n AS)/.test(sql.trimStart()))
  }
}

/** The nth that is asked for. */
export const nth = (n: number, isAsked: Which): Which => {
  let asked = 0
  return (sql, first) => isAsked(sql, first) && ++asked === n
}

/** Whether a turn is the one that is asked for. */
type Which = (sql: string, first: string) => boolean

/** Has work done on a database by somebody who hears and says nothing any more after one step; gives the step. */
export const silenced = <E, R>(
  url: Redacted.Redacted,
  after: Which,
  work: (url: Redacted.Redacted) => Effect.Effect<unknown, E, R>
) =>
  Effect.gen(function* () {
    const proxy = yield* Proxy.make(url)
    const stopped = yield* proxy.silence(after)
    return yield* Effect.raceFirst(stopped, Effect.as(work(proxy.url), undefined))
  }).pipe(Effect.scoped)

/** Whoever has fallen silent is cut off before it is interrupted, so that it cleans up nothing. */
export const vanished = <E, R>(
  url: Redacted.Redacted,
  after: Which,
  work: (url: Redacted.Redacted) => Effect.Effect<unknown, E, R>
) =>
  Effect.flatMap(Effect.scope, (scope) =>
    silenced(url, after, (url) => Effect.flatMap(Effect.forkIn(work(url), scope), Fiber.join))
  ).pipe(Effect.scoped)

/** Has work done by somebody who stays; gives how many steps it took. */
export const stepsOf = <E, R>(url: Redacted.Redacted, work: (url: Redacted.Redacted) => Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    const isOne = isStep()
    let steps = 0
    yield* vanished(
      url,
      (sql, first) => {
        if (isOne(sql, first)) steps += 1
        return false
      },
      work
    )
    return steps
  })
