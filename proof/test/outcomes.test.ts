/**
 * Every write of the toolkit, cut at each step: what the caller is told is what became of it.
 */
import { Transaction } from "@effect-dsql/core"
import { SchemaSource } from "@effect-dsql/schema"
import { Persistence } from "@effect-dsql/persistence"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { Console, Context, Effect, Layer } from "effect"
import { TestCluster } from "../../test/database.ts"
import { write } from "../src/outcomes/Case.ts"
import * as Matrix from "../src/outcomes/Matrix.ts"
import * as Report from "../src/outcomes/Report.ts"
import { type StoreName, stores, writesOf } from "../src/outcomes/Stores.ts"
import { names } from "../src/outcomes/Steps.ts"
import { cases, writes } from "../src/outcomes/Writes.ts"

class Trying extends Context.Service<Trying, Effect.Success<ReturnType<typeof Matrix.make>>>()("proof/test/Trying") {}

const Emulated = Layer.effect(
  Trying,
  Effect.gen(function* () {
    const { control, url } = yield* Testing.make({ source: SchemaSource.builtIn() })
    return yield* Matrix.make(url, control)
  })
)

layer(Persistence.layer.pipe(Layer.provideMerge(TestCluster())))("the table of writes", (it) => {
  it.effect("has every operation of every store that does not only read", () =>
    Effect.gen(function* () {
      const names = Object.keys(stores) as ReadonlyArray<StoreName>
      const missing = yield* Effect.forEach(names, (name) =>
        Effect.map(writesOf(name), (found) => ({ name, missing: found.filter((each) => !(each in writes[name])) }))
      )
      assert.deepStrictEqual(
        missing.filter((each) => each.missing.length > 0),
        []
      )
      const services = yield* Effect.context<Persistence.Persistence>()
      const known = new Set<unknown>(yield* Effect.all(Object.values(stores)))
      assert.deepStrictEqual(
        [...services.mapUnsafe]
          .filter(([tag, service]) => tag.startsWith("@effect-dsql/persistence/") && !known.has(service))
          .map(([tag]) => tag),
        []
      )
    })
  )
})

layer(Emulated, { excludeTestServices: true, timeout: "60 seconds" })("a write that is cut", (it) => {
  const rows: Array<Report.Row> = []
  for (const { name, of } of cases) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const cuts = yield* (yield* Trying).cuts(of)
        rows.push({ name, cuts })
        assert.isAbove(cuts.length, 0)
        assert.deepStrictEqual(
          cuts.filter(({ holds }) => !holds),
          []
        )
      })
    )
  }

  it.effect("is found where what is said of it is not true", () =>
    Effect.gen(function* () {
      const insert = Effect.flatMap(
        Transaction.sql,
        (sql) => sql`INSERT INTO queue_metadata VALUES (1, ''::bytea, 'Json', 1)`
      )
      const lied = (outcome: Transaction.Outcome<void>) =>
        Effect.map(
          Effect.flatMap(Trying, ({ cuts }) =>
            cuts(write(Transaction.autocommit(Effect.asVoid(insert), { verify: () => Effect.succeed(outcome) })))
          ),
          (cuts) => cuts.filter(({ holds }) => !holds).map(({ step }) => step)
        )
      const [before, in_, beforeCommit, inCommit, after, afterXX000, underWay] = names
      assert.deepStrictEqual(yield* lied(Transaction.notCommitted), [after, afterXX000, underWay])
      assert.deepStrictEqual(yield* lied(Transaction.committed(undefined)), [before, in_, beforeCommit, inCommit])
      const twice = Effect.flatMap(
        Transaction.sql,
        (sql) => sql`INSERT INTO transfer_tasks
          SELECT 1, coalesce(max(task_id), 0) + 1, ''::bytea, 'Json' FROM transfer_tasks`
      )
      const again = Transaction.autocommit(Effect.asVoid(twice), {
        verify: () => Effect.map(twice, () => Transaction.committed(undefined))
      })
      const cuts = yield* (yield* Trying).cuts(write(again))
      assert.deepStrictEqual(
        cuts.filter(({ holds }) => !holds).map(({ step }) => step),
        [after, afterXX000]
      )
    })
  )

  it.effect("is told of, all in all", () => Console.log(Report.table(rows)))
})
