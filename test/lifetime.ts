/**
 * For how long a statement may take effect, in tests. However busy their machine is, only what a test holds back comes
 * too late, and nobody waits for what is not under way.
 */
import { Deferred, Effect, Layer } from "effect"
import { Statement } from "effect/sql"
import { Lifetime } from "../packages/core/src/internal/transaction/validity.ts"
import * as Proxy from "./proxy.ts"

/** Longer than anything here is under way, in milliseconds; who waits for so long in vain is told so before his test ends. */
const ample = 300_000

/** Longer than what is not waited for takes, where a machine is not busy. */
const brief = 250

/** Nobody waits for what may come. */
const atOnce = { valid: ample, skew: -2 * ample }

/** Where nothing is late: who has lost an answer goes on as if everything had come that may. */
export const NothingLate = Layer.succeed(Lifetime, atOnce)

/** How a message to a proxy is held back. */
export interface Holding {
  /** Holds back the nth such turn from now on. */
  readonly hold: (which: Proxy.Which, nth?: number) => Effect.Effect<Proxy.Late>
  /** For the client that sends it. */
  readonly layer: Layer.Layer<never>
}

/** Counts turns from 0, and holds back the nth; tells how many there have been. */
const counting = (proxy: Proxy.Proxy, which: Proxy.Which, nth: number, tell: (seen: number) => void) => {
  let seen = 0
  tell(seen)
  return proxy.hold((sql, first) => {
    if (!Proxy.isSuch(which, sql, first)) return false
    seen += 1
    tell(seen)
    return seen === nth
  })
}

/** Until it is valid no more, for which its client waits. */
export const holding = (proxy: Proxy.Proxy): Holding => {
  const lifetime = { ...atOnce }
  return {
    layer: Layer.succeed(Lifetime, lifetime),
    hold: (which, nth = 1) =>
      counting(proxy, which, nth, (seen) => {
        lifetime.valid = seen === nth - 1 ? brief : ample
        lifetime.skew = 0
      })
  }
}

/** However long, and it is still valid. */
export const holdingValid = (proxy: Proxy.Proxy): Holding => ({
  layer: NothingLate,
  hold: (which, nth = 1) => counting(proxy, which, nth, () => {})
})

/** Keeps whoever lost an answer from finding out what became of the statement, until it is opened. */
export const gate = () => {
  const opened = Deferred.makeUnsafe<void>()
  let isAsked = false
  return {
    open: Deferred.succeed(opened, undefined),
    /** Whether anybody came to it: who does not wait for what may come does not. */
    isAsked: () => isAsked,
    before: Effect.provideService(Statement.CurrentTransformer, (statement) => {
      const [text] = statement.compile()
      if (text !== "SELECT now()") return Effect.succeed(statement)
      isAsked = true
      return Effect.as(Deferred.await(opened), statement)
    })
  }
}
