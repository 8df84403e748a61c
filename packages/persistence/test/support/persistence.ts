/**
 * Suites of the stores, each on a migrated database of its own.
 *
 * That database is on an emulator of the suite's own, and whatever the suite sends there is linted when it ends: a
 * statement that Aurora DSQL would refuse fails it. Where the environment names a cluster, `describeStores` runs
 * there instead; the other suites are skipped, and their names say why.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Persistence } from "@effect-dsql/persistence"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { layer, type Vitest } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { test } from "vitest"
import { guarded, unwatched } from "../../../../test/database.ts"
import { NothingLate } from "../../../../test/lifetime.ts"
import { linted } from "../../../../test/linted.ts"
import { Migrated } from "../../../../test/migrated.ts"
import { ProvingReads } from "../../../../test/proving.ts"

/** The forms in which guarded writes are sent. */
export const forms = ["statement", "transaction"] as const

export type Form = (typeof forms)[number]

type Suite<R> = (it: Vitest.MethodsNonLive<R>) => void

type Stores = Persistence.Persistence | DsqlClient.Provided

const onCluster = (process.env["DSQL_ENDPOINT"] ?? process.env["DSQL_URL"]) !== undefined

/** A suite that shares its database with others: its ids are its own, and it assumes nothing of any table. */
export const describeStores = (name: string, suite: Suite<Stores>): void =>
  onCluster ? layer(OnCluster, { excludeTestServices: true })(name, suite) : onEmulator(guarded)(name, suite)

/** A suite that needs empty tables, or changes what others rely on: the one database of a cluster is not for it. */
export const describeAlone = (name: string, suite: Suite<Stores>): void =>
  onCluster ? skip(name, "a database for itself") : onEmulator(guarded)(name, suite)

/**
 * A suite in both forms in which guarded writes are sent, on one database: what fences and what stands under them must
 * hold in either. On a cluster it is the one that its setting says.
 */
export const describeForms = (name: string, suite: Suite<Stores>): void =>
  onCluster
    ? describeStores(name, suite)
    : layer(Layer.provideMerge(Database(guarded), ProvingReads), { excludeTestServices: true })(name, (it) => {
        for (const form of forms) it.layer(inForm(form))(`as one ${form}`, suite)
      })

/** A suite that breaks its server, or counts what it receives: a guarded write is one statement there. */
export const describeEmulated = (name: string, suite: Suite<Stores | Testing.Control>): void =>
  onCluster ? skip(name, "the emulator") : onEmulator("statement", Layer.empty)(name, suite)

const skip = (name: string, needs: string): void => test.skip(`${name} (needs ${needs})`, () => {})

const Database = (guarded: Form) =>
  linted().pipe(
    Layer.provideMerge(Testing.layer({ source: SchemaSource.builtIn(), client: { guarded }, emulator: unwatched })),
    Layer.provideMerge(NothingLate)
  )

/** What the stores say is proven to read is sent where the emulator refuses to write, but for suites that count. */
const onEmulator = (guarded: Form, reads: Layer.Layer<never> = ProvingReads) =>
  layer(Persistence.layer.pipe(Layer.provideMerge(Database(guarded)), Layer.provideMerge(reads)), {
    excludeTestServices: true
  })

/** The stores, on the client that is there, which sends guarded writes in this form. */
export const inForm = (form: Form) =>
  Layer.fresh(Persistence.layer).pipe(
    Layer.provideMerge(
      Layer.effect(
        DsqlClient.DsqlClient,
        Effect.map(DsqlClient.DsqlClient, (client) => ({ ...client, guarded: form }))
      )
    )
  )

const OnCluster = Persistence.layer.pipe(Layer.provideMerge(Migrated), Layer.provideMerge(DsqlClient.layerConfig()))
