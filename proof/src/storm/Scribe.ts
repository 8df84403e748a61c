/**
 * Writes a worker's ledger while it works.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as ClusterError from "effect/cluster/ClusterError"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import { closeSync, openSync, writeSync } from "node:fs"
import { Deed, encode, type Entry, type Outcome } from "./Ledger.ts"

export class Scribe extends Context.Service<
  Scribe,
  {
    /** An id for a write, which no other one has. */
    readonly op: Effect.Effect<string>
    /** Runs a write between its two lines, and rests; `value` is what of its result goes into the ledger. */
    readonly attempt: <A, E, R>(
      op: string,
      deed: Deed,
      write: Effect.Effect<A, E, R>,
      value?: (result: A) => bigint
    ) => Effect.Effect<A, E, R>
    /** Completes when a write of each kind has been applied. */
    readonly practised: Effect.Effect<void>
    /** The time, for `delivered`. */
    readonly now: Effect.Effect<bigint>
    /** Says which tasks were read, before they are completed. */
    readonly delivered: (
      queue: string,
      at: bigint,
      tasks: ReadonlyArray<{ readonly taskId: bigint; readonly op: string }>
    ) => Effect.Effect<void>
  }
>()("proof/storm/Scribe") {}

/** Writes to a file of its own; `worker` begins each id. */
export const layer = (worker: string, path: string) =>
  Layer.effect(
    Scribe,
    Effect.gen(function* () {
      const file = yield* Effect.acquireRelease(
        Effect.sync(() => openSync(path, "wx")),
        (file) => Effect.sync(() => closeSync(file))
      )
      let ops = 0
      const applied = new Set<Deed["_tag"]>()
      const all = Latch.makeUnsafe()
      const write = (entry: Entry) => Effect.sync(() => void writeSync(file, `${encode(entry)}\n`))
      // All processes of a machine share this clock, so that what one did can be ordered after what another was told.
      const now = Effect.sync(() => process.hrtime.bigint())
      return Scribe.of({
        op: Effect.sync(() => `${worker}.${++ops}`),
        now,
        attempt: Effect.fnUntraced(function* (op, deed, effect, value) {
          yield* write({ _tag: "Began", op, at: yield* now, deed })
          const exit = yield* Effect.exit(effect)
          const told = Exit.isSuccess(exit)
            ? { outcome: "Applied" as const, ...(value !== undefined && { value: value(exit.value) }) }
            : refusal(exit.cause)
          yield* write({ _tag: "Ended", op, at: yield* now, ...told })
          if (told.outcome === "Applied" && applied.add(deed._tag).size === Deed.members.length) yield* all.open
          // For those who are begun anew meanwhile: a process takes seconds of a processor until it is there.
          yield* Effect.sleep(yield* Random.nextIntBetween(1, 40))
          return yield* exit
        }),
        practised: all.await,
        delivered: (queue, at, tasks) => write({ _tag: "Delivered", queue, at, tasks })
      })
    })
  )

/** What a storage of Effect's fails with holds the toolkit's own error. */
const ownOf = (error: unknown): unknown =>
  error instanceof PersistedQueue.PersistedQueueError ||
  error instanceof KeyValueStore.KeyValueStoreError ||
  error instanceof ClusterError.PersistenceError
    ? error.cause
    : error

/** Every typed error but one says that nothing was applied. */
const refusal = (cause: Cause.Cause<unknown>): { readonly outcome: Outcome; readonly error: string } => {
  const error = Cause.findErrorOption(cause)
  if (error._tag === "None") return { outcome: "Unknown", error: "defect" }
  const own = ownOf(error.value)
  const tag = Predicate.hasProperty(own, "_tag") ? String(own._tag) : "untagged"
  return { outcome: tag === "CommitOutcomeUnknown" ? "Unknown" : "Refused", error: tag }
}
