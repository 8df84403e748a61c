/**
 * The pool behind `ConnectionPool`, put together.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import { identity } from "effect/Function"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type * as TokenBucket from "../time/tokenBucket.ts"
import { drain, sweeping } from "./closing.ts"
import { acquire, release } from "./lending.ts"
import * as measure from "./measure.ts"
import { grow } from "./opening.ts"
import { type Settings, type State, stats } from "./state.ts"

/** Makes a pool, which drains when the scope closes. New connections take their turn from the bucket. */
export const make = Effect.fnUntraced(function* <C>(
  open: State<C>["open"],
  settings: Settings,
  bucket: TokenBucket.TokenBucket
) {
  const openers = yield* FiberSet.make()
  const closers = yield* FiberSet.make()
  const self: State<C> = {
    settings,
    open,
    bucket,
    clock: yield* Clock.Clock,
    opener: yield* FiberSet.runtime(openers)<never>(),
    closer: yield* FiberSet.runtime(closers)<never>(),
    grow: () => grow(self),
    entries: new Set(),
    idle: [],
    waiters: new Set(),
    opening: 0,
    refusal: undefined,
    drained: undefined
  }
  yield* measure.register(settings.name, () => stats(self))
  yield* Effect.addFinalizer(() => drain(self, openers, closers))
  grow(self)
  self.opener(sweeping(self))
  return {
    get: keep(self, identity, () => Effect.void),
    keep: <A>(make: (connection: C) => A, close: (made: A) => Effect.Effect<void>) => keep(self, make, close),
    use: <A, E, R>(effect: (connection: C) => Effect.Effect<A, E, R>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(acquire(self, restore), (entry) =>
          Effect.onExit(restore(effect(entry.connection)), () => release(self, entry))
        )
      ),
    stats: Effect.sync(() => stats(self))
  }
})

/** One finalizer for what was made and its connection: two of a scope take several times as long as one. */
const keep = <C, A>(self: State<C>, make: (connection: C) => A, close: (made: A) => Effect.Effect<void>) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(acquire(self, restore), (entry) =>
      Effect.flatMap(Effect.scope, (scope) => {
        const made = Result.try(() => make(entry.connection))
        if (Result.isFailure(made)) return Effect.andThen(release(self, entry), Effect.die(made.failure))
        const closed = Effect.suspend(() => close(made.success))
        return Effect.as(
          Scope.addFinalizerExit(scope, () => Effect.ensuring(closed, release(self, entry))),
          made.success
        )
      })
    )
  )
