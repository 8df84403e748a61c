/**
 * How long a test file waits for its database, with the schema of Temporal in it: the first one of a machine, which
 * starts a server and migrates, and one that finds both.
 */
import { SchemaSource } from "@effect-dsql/schema"
import { Server, Testing } from "@effect-dsql/testing"
import { Clock, Console, Effect } from "effect"
import { median } from "./Compare.ts"

/** Milliseconds until a database is there; it goes again. */
const fresh = Effect.scoped(
  Effect.gen(function* () {
    const start = yield* Clock.monotonicTimeNanos
    yield* Testing.make({ source: SchemaSource.builtIn() })
    return Number((yield* Clock.monotonicTimeNanos) - start) / 1e6
  })
)

const say = (what: string, times: ReadonlyArray<number>) =>
  Console.log(`  ${what.padEnd(44)}${`${median(times).toFixed(0)} ms`.padStart(12)}`)

export const freshDatabases = Effect.gen(function* () {
  const first = yield* Effect.replicateEffect(fresh, 5)
  yield* Server.share
  yield* fresh
  const later = yield* Effect.replicateEffect(fresh, 30)
  yield* Console.log("\nA database for a test file, with Temporal's schema (medians of 5 and 30)")
  yield* say("the first: server, schema, database", first)
  yield* say("from the second on", later)
}).pipe(Effect.scoped)
