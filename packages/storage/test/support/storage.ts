/**
 * Suites of the storages, each on a database of its own with their schema. That database is on an emulator of the
 * suite's own, and whatever the suite sends there is linted when it ends.
 */
import type { DsqlClient } from "@effect-dsql/core"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { layer, type Vitest } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Layer } from "effect"
import { guarded, unwatched } from "../../../../test/database.ts"
import { NothingLate } from "../../../../test/lifetime.ts"
import { linted } from "../../../../test/linted.ts"

const schema = "dsql/storage"

/** A database with the storages' tables, and a client that sends guarded writes in this form. */
export const Database = (form: "statement" | "transaction" = guarded) =>
  linted(schema).pipe(
    Layer.provideMerge(
      Testing.layer({ source: SchemaSource.builtIn(schema), client: { guarded: form }, emulator: unwatched })
    ),
    Layer.provideMerge(NothingLate)
  )

/** A suite of a storage. */
export const describeStorage = <A, E>(
  name: string,
  storage: Layer.Layer<A, E, DsqlClient.DsqlClient>,
  suite: (it: Vitest.MethodsNonLive<A | DsqlClient.Provided | Testing.Control>) => void,
  form?: "statement" | "transaction"
): void => layer(Layer.provideMerge(storage, Database(form)), { excludeTestServices: true })(name, suite)

/** Loses the answer of the next statement that commits by itself, before or after it took effect. */
export const loseAnswer = (when: "before" | "after") =>
  Effect.flatMap(Testing.Control, (control) =>
    Effect.andThen(
      control.clear,
      control.inject({ on: "commit", fault: when === "before" ? "cut" : "cut-after", nth: [1] })
    )
  )

/** A clock on which nobody who sleeps for minutes wakes up, and the moment at which the first one goes to sleep. */
export const sleepless = Effect.map(Deferred.make<void>(), (slept) => {
  const real = Clock.Clock.defaultValue()
  const sleep = (duration: Duration.Duration) =>
    Duration.toMinutes(duration) < 1
      ? real.sleep(duration)
      : Effect.andThen(Deferred.succeed(slept, undefined), Effect.never)
  const clock: Clock.Clock = new Proxy(real, {
    get: (clock, property) => (property === "sleep" ? sleep : Reflect.get(clock, property, clock))
  })
  return { clock, slept }
})
