/**
 * What `docs/round-trips.md` says of the migrator is what it takes.
 */
import type { DsqlClient } from "@effect-dsql/core"
import { Migrator } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { costs, table } from "../../../test/roundTrips.ts"
import * as Lease from "../src/internal/books/lease.ts"
import { sourceOf, version } from "./support/schemas.ts"

const documented = table("The migrator").map(([operation = "", statement, transaction, dpu]) => ({
  operation,
  statement: Number(statement),
  transaction: Number(transaction),
  dpu: Number(dpu)
}))

const TestMigrator = (guarded: DsqlClient.DsqlClient["Service"]["guarded"]) =>
  Migrator.layer.pipe(
    Layer.provideMerge(Testing.layer({ client: { guarded } })),
    Layer.provideMerge(NodeServices.layer)
  )

/** How many round trips an effect takes; what it costs is counted from there on. */
const counted = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const control = yield* Testing.Control
    yield* control.reset
    yield* effect
    return { trips: (yield* control.counts()).roundTrips, cost: yield* Testing.cost() }
  })

type Counted = Effect.Success<ReturnType<typeof counted>>

/** A database at version 1.0, and how many round trips it takes to bring it to 1.1. */
const updated = (text: string) =>
  Effect.gen(function* () {
    const migrator = yield* Migrator.Migrator
    const source = yield* sourceOf("CREATE TABLE a (n INTEGER);", text)
    yield* migrator.setup({ source, version: version("1.0") })
    return yield* counted(migrator.update({ source }))
  })

/** A database that is up to date, and how many round trips something takes there. */
const current = <A, E>(
  of: (
    migrator: Migrator.Migrator["Service"],
    source: Effect.Success<ReturnType<typeof sourceOf>>
  ) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const migrator = yield* Migrator.Migrator
    const source = yield* sourceOf("CREATE TABLE a (n INTEGER);")
    yield* migrator.setup({ source })
    return yield* counted(of(migrator, source))
  })

const operations: Readonly<
  Record<string, Effect.Effect<Counted, unknown, Migrator.Migrator | DsqlClient.DsqlClient | Testing.Control>>
> = {
  "set up a schema of one table": Effect.gen(function* () {
    const migrator = yield* Migrator.Migrator
    const source = yield* sourceOf("CREATE TABLE a (n INTEGER);")
    return yield* counted(migrator.setup({ source }))
  }),
  "update by one statement that changes the schema": updated("CREATE TABLE b (n INTEGER);"),
  "update by two of them": updated("CREATE TABLE b (n INTEGER); CREATE TABLE c (n INTEGER);"),
  "update by one statement that changes rows": updated("INSERT INTO a VALUES (1);"),
  "update where there is nothing to do": current((migrator, source) => migrator.update({ source })),
  "plan an update": current((migrator, source) => migrator.plan({ source })),
  "read where a database stands": current((migrator, source) => migrator.status({ source })),
  "make a lease last longer": Effect.gen(function* () {
    yield* current(() => Effect.void)
    return yield* Lease.hold(
      "postgres",
      { duration: "10 minutes" },
      () => Effect.void,
      ({ renew }) => counted(renew)
    )
  })
}

describe("the page on round trips", () => {
  for (const [operation, taken] of Object.entries(operations)) {
    for (const form of ["statement", "transaction"] as const) {
      it.live(`says how many the migrator takes to ${operation}, guarded by one ${form}`, () =>
        Effect.gen(function* () {
          const { cost, trips } = yield* taken
          const row = documented.find((each) => each.operation === operation)
          assert.strictEqual(trips, row?.[form])
          if (form === "statement") costs(operation, cost, row?.dpu)
        }).pipe(Effect.provide(TestMigrator(form)))
      )
    }
  }

  it("names these operations of the migrator and no others", () => {
    assert.deepStrictEqual(
      documented.map(({ operation }) => operation),
      Object.keys(operations)
    )
  })
})
