/**
 * A database on which one write at a time is tried: a client that is cut off, behind a network that can be late, and
 * one that sees what became of it.
 */
import { DsqlClient } from "@effect-dsql/core"
import type { Control } from "@effect-dsql/emulator"
import { Persistence } from "@effect-dsql/persistence"
import { Context, Effect, type Exit, Layer, type Redacted } from "effect"
import * as Proxy from "../../../test/proxy.ts"
import type { Case, Needs } from "./Case.ts"
import * as Tables from "./Tables.ts"

/** The forms in which guarded statements are sent. */
export const forms = ["statement", "transaction"] as const

export type Form = (typeof forms)[number]

/** A write, and how it ended. */
export type Write = Effect.Effect<Exit.Exit<unknown, unknown>, never, Needs>

/** The label of the connections that are cut. */
export const label = "outcomes"

/** An emulator, and a database in it. */
export interface Place {
  readonly url: Redacted.Redacted
  readonly control: Control.Control
}

export interface Lane {
  readonly control: Control.Control
  readonly proxy: Proxy.Proxy
  readonly witness: DsqlClient.DsqlClient["Service"]
  readonly tables: Effect.Success<typeof Tables.make>
  /** Somebody else puts back the rows that a write is done on. */
  readonly putBack: (of: Case) => Effect.Effect<unknown, unknown>
  /** The write in a form, on its rows, while `around` is done to it. */
  readonly tried: <A>(
    of: Case,
    form: Form,
    around: (write: Write) => Effect.Effect<A, never, Needs>
  ) => Effect.Effect<A, unknown>
}

export const make = Effect.fnUntraced(function* ({ control, url }: Place) {
  const proxy = yield* Proxy.make(url)
  const broken = (guarded: Form) =>
    Layer.build(DsqlClient.layerUrl({ url: proxy.url, applicationName: label, guarded }))
  const clients = { statement: yield* broken("statement"), transaction: yield* broken("transaction") }
  const witness = Context.get(
    yield* Layer.build(DsqlClient.layerUrl({ url, applicationName: "witness" })),
    DsqlClient.DsqlClient
  )
  const tables = yield* Effect.provideService(Tables.make, DsqlClient.DsqlClient, witness)

  /** Stores that remember nothing of what was there before. */
  const stores = (client: Context.Context<DsqlClient.DsqlClient>) =>
    Layer.provideMerge(Layer.fresh(Persistence.layer), Layer.succeedContext(client))

  const lane: Lane = {
    control,
    proxy,
    witness,
    tables,
    putBack: ({ given }) =>
      Effect.andThen(tables.clear, Effect.provide(given, stores(Context.make(DsqlClient.DsqlClient, witness)))),
    tried: ({ given, write }, form, around) =>
      Effect.gen(function* () {
        yield* control.clear
        yield* tables.clear
        return yield* Effect.provide(Effect.andThen(given, around(Effect.exit(write))), stores(clients[form]))
      })
  }
  return lane
})
