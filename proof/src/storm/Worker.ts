/**
 * A process that does all kinds of work at once, until it is told to end or is killed. It says a word when it has done
 * each kind once.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Persistence } from "@effect-dsql/persistence"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { KeyValueStore, PersistedQueue as Queue } from "@effect-dsql/storage"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Entries from "./Entries.ts"
import * as Input from "./Input.ts"
import * as Jobs from "./Jobs.ts"
import { match } from "./Matcher.ts"
import { own } from "./Owner.ts"
import { publish } from "./Publisher.ts"
import { register } from "./Registrar.ts"
import * as Callers from "./runners/Callers.ts"
import * as Scribe from "./Scribe.ts"
import * as Vitals from "./Vitals.ts"
import { label } from "./Weather.ts"

const settings = Config.all({
  worker: Config.String("STORM_WORKER"),
  ledger: Config.String("STORM_LEDGER"),
  vitals: Config.String("STORM_VITALS"),
  seed: Config.String("STORM_SEED"),
  shards: Config.Int("STORM_SHARDS"),
  fenced: Config.Boolean("STORM_FENCED"),
  url: Config.Redacted("STORM_URL")
})

const storages = Layer.merge(
  KeyValueStore.layerSql(),
  PersistedQueue.layer.pipe(
    Layer.provide(Queue.layerStoreSql({ lockExpiration: Jobs.lease, pollInterval: "50 millis" }))
  )
)

const program = Effect.gen(function* () {
  const { ledger, seed, url, vitals, worker, ...owner } = yield* settings
  const client = DsqlClient.layerUrl({ url, applicationName: label, maxConnections: 8, waitTimeout: "2 seconds" })
  const told = yield* Input.told
  const isOver = Effect.sync(() => told.isOpen())
  const owning = own({ ...owner, isOver })
  yield* Effect.gen(function* () {
    const scribe = yield* Scribe.Scribe
    yield* Effect.forkChild(Effect.andThen(scribe.practised, Console.log("ready")))
    yield* Effect.forkChild(Vitals.note(vitals))
    const shared = [
      match,
      register,
      publish,
      Jobs.offer,
      Jobs.work,
      Jobs.work,
      Entries.set,
      Callers.stamp,
      Callers.deliver
    ]
    yield* Effect.all([owning, owning, ...shared.map((work) => work(isOver))], {
      concurrency: "unbounded",
      discard: true
    })
  }).pipe(
    Random.withSeed(`${seed} ${worker}`),
    Effect.provide(Layer.mergeAll(Persistence.layer, storages, Callers.layer).pipe(Layer.provideMerge(client))),
    // The storages look for their tables, whatever the weather.
    Effect.retry(Schedule.spaced("50 millis")),
    Effect.provide(Scribe.layer(worker, ledger))
  )
}).pipe(Effect.scoped)

// What is refused and tried again is said at each time; here that is the weather.
program.pipe(Effect.provide(Logger.layer([])), NodeRuntime.runMain)
