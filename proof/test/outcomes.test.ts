/**
 * Every write of the toolkit, cut at each step: what the caller is told is what became of it.
 */
import { Transaction } from "@effect-dsql/core"
import { SchemaSource } from "@effect-dsql/schema"
import { Persistence } from "@effect-dsql/persistence"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { Console, Context, Data, Effect, Fiber, Layer } from "effect"
import { Statement } from "effect/sql"
import { TestCluster, unwatched } from "../../test/database.ts"
import { NothingLate } from "../../test/lifetime.ts"
import { type Case, write } from "../src/outcomes/Case.ts"
import { GuardedWrites, insert, there } from "../src/outcomes/CoreWrites.ts"
import * as Matrix from "../src/outcomes/Matrix.ts"
import * as Report from "../src/outcomes/Report.ts"
import { DeadLetterWrites } from "../src/outcomes/ShardWrites.ts"
import { type StoreName, stores, writesOf } from "../src/outcomes/Stores.ts"
import { cases, writes } from "../src/outcomes/Writes.ts"

class NotThere extends Data.TaggedError("NotThere") {}

/** Databases on which writes are tried side by side. */
const lanes = 4

/** The matrix, and what is found of each case. */
class Trying extends Context.Service<
  Trying,
  Effect.Success<ReturnType<typeof Matrix.make>> & {
    readonly found: ReadonlyMap<string, Fiber.Fiber<ReadonlyArray<Matrix.Cut>, unknown>>
  }
>()("proof/test/Trying") {}

const Emulated = Layer.effect(
  Trying,
  Effect.gen(function* () {
    const place = Testing.make({ source: SchemaSource.builtIn(), emulator: unwatched })
    const matrix = yield* Matrix.make(
      yield* Effect.all(
        Array.from({ length: lanes }, () => place),
        { concurrency: 4 }
      )
    )
    const found = yield* Effect.forEach(cases, ({ name, of }) =>
      Effect.map(Effect.forkScoped(matrix.cuts(of)), (fiber) => [name, fiber] as const)
    )
    return { ...matrix, found: new Map(found) }
  })
).pipe(Layer.provideMerge(NothingLate))

/** Takes out of a statement that it is void after an instant. */
const timeless: Statement.Transformer = (statement, sql) => {
  const [text, values] = statement.compile()
  return Effect.succeed(sql.unsafe(text.replace("now < ", "TRUE OR now < "), values))
}

/** The steps at which what is said of a write is not true. */
const wrong = (of: Case) =>
  Effect.gen(function* () {
    const cuts = yield* (yield* Trying).cuts(of)
    return cuts.filter(({ holds }) => !holds).map(({ step }) => step)
  })

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

layer(Emulated, { excludeTestServices: true })("a write that is cut", (it) => {
  const rows: Array<Report.Row> = []
  for (const { name } of cases) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const cuts = yield* Fiber.join((yield* Trying).found.get(name) ?? (yield* Effect.die(name)))
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
        wrong(write(Transaction.run(Effect.asVoid(insert), { verify: () => Effect.succeed(outcome) })))
      assert.deepStrictEqual(yield* lied(Transaction.notCommitted), [
        "after COMMIT",
        "after COMMIT, XX000",
        "COMMIT is late"
      ])
      assert.deepStrictEqual(yield* lied(Transaction.committed(undefined)), ["before COMMIT", "in COMMIT"])
      const twice = Effect.flatMap(
        Transaction.sql,
        (sql) => sql`INSERT INTO transfer_tasks
          SELECT 1, coalesce(max(task_id), 0) + 1, ''::bytea, 'Json' FROM transfer_tasks`
      )
      const again = Transaction.autocommit(Effect.asVoid(twice), {
        verify: () => Effect.map(twice, () => Transaction.committed(undefined))
      })
      assert.deepStrictEqual(yield* wrong(write(again)), [
        "after COMMIT",
        "after COMMIT, XX000",
        "the statement is late",
        "the statement is late, all put back"
      ])
    })
  )

  it.effect("is found where whoever looked for it had not locked what is there in any case", () =>
    Effect.gen(function* () {
      const next = Effect.flatMap(
        Transaction.sql,
        (sql) => sql`UPDATE namespace_metadata SET notification_version = notification_version + 1`
      )
      const looked = (locked: string) =>
        write(
          Transaction.run(Effect.asVoid(next), {
            verify: () =>
              Effect.flatMap(Transaction.sql, (sql) =>
                Effect.map(sql.unsafe<{ readonly version: bigint }>(`${locked} FOR UPDATE`), ([row]) =>
                  row?.version === 2n ? Transaction.committed(undefined) : Transaction.notCommitted
                )
              )
          })
        )
      const rows = "SELECT notification_version AS version FROM namespace_metadata"
      assert.deepStrictEqual(yield* wrong(looked(rows)), [])
      assert.deepStrictEqual(yield* wrong(looked(`${rows} WHERE notification_version = 2`)), ["COMMIT is late"])
    })
  )

  it.effect("is found where a statement that was looked for may still come", () =>
    Effect.gen(function* () {
      const naive = Effect.catchTag(Transaction.autocommit(insert(1)), "CommitOutcomeUnknown", () =>
        Effect.flatMap(Transaction.run(there(1)), (isThere) => (isThere ? Effect.void : Effect.fail(new NotThere())))
      )
      assert.deepStrictEqual(yield* wrong(write(naive)), [
        "COMMIT under way",
        "the statement is late",
        "the statement is late, all put back"
      ])
    })
  )

  it.effect("is found where a guarded statement has no instant after which it is void", () =>
    Effect.gen(function* () {
      const [guarded] = GuardedWrites.write
      assert(guarded !== undefined)
      const without = Effect.provideService(guarded.write, Statement.CurrentTransformer, timeless)
      assert.deepStrictEqual(yield* wrong({ ...guarded, write: without }), [
        "the statement is late",
        "the statement is late, all put back"
      ])
    })
  )

  it.effect("is found where it is done again before the first one is void, and others put back what it compares", () =>
    Effect.gen(function* () {
      const late = ["the statement is late, all put back"]
      const [put] = DeadLetterWrites.put
      const [remove] = DeadLetterWrites.delete
      assert(put !== undefined && remove !== undefined)
      for (const each of [put, remove]) {
        const without = Effect.provideService(each.write, Statement.CurrentTransformer, timeless)
        assert.deepStrictEqual(yield* wrong({ ...each, write: without }), late)
      }
      const taken = Effect.flatMap(
        Transaction.sql,
        (sql) => sql`UPDATE namespace_metadata SET notification_version = 2 WHERE notification_version = 1`
      )
      assert.deepStrictEqual(yield* wrong(write(Transaction.autocommit(taken, { repeat: true }))), late)
    })
  )

  it.effect("is told of, all in all", () => Console.log(Report.table(rows)))
})
