/**
 * The whole cluster on this machine: a local Aurora DSQL with the cluster's tables and the effects', and its processes.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { Effect, Layer } from "effect"
import * as Checks from "./Checks.ts"
import * as Effects from "./Effects.ts"
import { Journal } from "./Journal.ts"
import * as Processes from "./Processes.ts"
import * as Scenario from "./Scenario.ts"
import * as Watch from "./Watch.ts"

const tables = Effect.gen(function* () {
  const migrator = yield* Migrator.Migrator
  yield* migrator.setup({ source: yield* SchemaSource.builtIn("dsql/cluster") })
  const { sql } = yield* DsqlClient.DsqlClient
  yield* sql.unsafe(Effects.table).unprepared
}).pipe(Effect.provide(Migrator.layer))

export interface Options {
  readonly orders: number
  /** Whether what activities write is written under the fence of their shard. */
  readonly fenced: boolean
}

/** Runs the scenario on a database of its own, and gives what came of it. */
export const run = Effect.fnUntraced(function* ({ fenced, orders }: Options) {
  const emulator = yield* Emulator.make({ jobDelay: "20 millis" })
  const database = emulator.url()
  const client = DsqlClient.layerUrl({ url: database })
  const live = Watch.layer.pipe(Layer.provideMerge(Processes.layer({ database, fenced })), Layer.provideMerge(client))
  return yield* Effect.gen(function* () {
    const { events } = yield* Journal
    const outcome = yield* Scenario.run({ orders })
    return { outcome, events, checks: Checks.checks(outcome, events, yield* Checks.written) }
  }).pipe(Effect.provide(live), (run) => Effect.andThen(Effect.provide(tables, client), run))
}, Effect.scoped)
