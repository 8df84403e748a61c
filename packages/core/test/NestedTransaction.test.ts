/**
 * A transaction inside another, which DSQL has no savepoint for.
 */
import { DsqlError, RetryPolicy, Transaction } from "@effect-dsql/core"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { Cause, Data, Effect, Exit, Fiber, Ref } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { guarded } from "../../../test/database.ts"
import { Control } from "../../../test/emulator.ts"

class Refused extends Data.TaggedError("Refused")<{ readonly why: string }> {}

const policy = RetryPolicy.make({ base: "1 millis", jitter: "none", attempts: 5 })

/** A table for each test. */
const table = (name: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const control = yield* Control
    yield* control.clear
    yield* sql`CREATE TABLE ${sql(name)} (id integer PRIMARY KEY)`
    yield* control.reset
    return {
      sql,
      control,
      add: (id: number) => Effect.asVoid(sql`INSERT INTO ${sql(name)} VALUES (${id})`),
      ids: Effect.map(sql<{ id: number }>`SELECT id FROM ${sql(name)} ORDER BY id`, (rows) => rows.map(({ id }) => id))
    }
  })

const words = Effect.map(
  Effect.flatMap(Control, (control) => control.statements()),
  (arrivals) => arrivals.map(({ sql }) => sql.split(" ")[0])
)

const typed = <A, R>(effect: Effect.Effect<A, SqlError.SqlError, R>) =>
  Effect.map(Effect.flip(effect), (error) => DsqlError.from(error))

layer(Testing.layer({ client: { guarded, nested: "join" } }), { excludeTestServices: true })(
  "withTransaction inside a transaction, where it joins",
  (it) => {
    it.effect("is a part of the outer one", () =>
      Effect.gen(function* () {
        const { add, ids, sql } = yield* table("part")
        const told = yield* Ref.make<ReadonlyArray<string>>([])
        const tell = (what: string) => sql.afterCommit(Ref.update(told, (all) => [...all, what]))
        yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* add(1)
            yield* sql.withTransaction(Effect.andThen(add(2), tell("inner")))
            yield* tell("outer")
            assert.deepStrictEqual(yield* Ref.get(told), [])
          })
        )
        assert.deepStrictEqual(yield* words, ["BEGIN", "INSERT", "INSERT", "COMMIT"])
        assert.deepStrictEqual(yield* ids, [1, 2])
        assert.deepStrictEqual(yield* Ref.get(told), ["inner", "outer"])
      })
    )

    it.effect("leaves the outer one to roll back only when it fails, whatever is made of that", () =>
      Effect.gen(function* () {
        const { add, ids, sql } = yield* table("undone")
        const why = new Refused({ why: "no" })
        const part = sql.withTransaction(Effect.andThen(add(2), Effect.fail(why)))
        const failure = yield* typed(
          sql.withTransaction(
            Effect.andThen(
              add(1),
              Effect.catchTag(part, "Refused", () => Effect.void)
            )
          )
        )
        assert.strictEqual(failure._tag, "RollbackOnly")
        assert.strictEqual(failure.cause, why)
        assert.deepStrictEqual(yield* words, ["BEGIN", "INSERT", "INSERT", "ROLLBACK"])
        assert.deepStrictEqual(yield* ids, [])
      })
    )

    it.effect("takes no more statements after a part of it failed, nor a COMMIT of the body's own", () =>
      Effect.gen(function* () {
        const { add, ids, sql } = yield* table("closed")
        const part = Effect.ignore(sql.withTransaction(Effect.fail("no")))
        for (const next of [add(2), Effect.asVoid(sql`COMMIT`), Effect.asVoid(sql.unsafe("end"))]) {
          const failure = yield* typed(sql.withTransaction(Effect.andThen(add(1), Effect.andThen(part, next))))
          assert.strictEqual(failure._tag, "RollbackOnly")
        }
        assert.deepStrictEqual(yield* ids, [])
      })
    )

    it.effect("leaves the outer one to roll back only when it is interrupted, and when it dies", () =>
      Effect.gen(function* () {
        const { add, ids, sql } = yield* table("cut_short")
        const interrupted = Effect.gen(function* () {
          const part = yield* Effect.forkChild(sql.withTransaction(Effect.andThen(add(2), Effect.never)), {
            startImmediately: true
          })
          yield* Fiber.interrupt(part)
        })
        const died = Effect.exit(sql.withTransaction(Effect.die("broken")))
        for (const part of [interrupted, died]) {
          assert.strictEqual((yield* typed(sql.withTransaction(Effect.andThen(add(1), part))))._tag, "RollbackOnly")
        }
        assert.deepStrictEqual(yield* ids, [])
      })
    )

    it.effect("gives the part's own error where the outer one fails with it", () =>
      Effect.gen(function* () {
        const { add, ids, sql } = yield* table("own")
        const exit = yield* Effect.exit(
          sql.withTransaction(Effect.andThen(add(1), sql.withTransaction(Effect.fail(new Refused({ why: "no" })))))
        )
        assert(Exit.isFailure(exit))
        assert.strictEqual((Cause.squash(exit.cause) as Refused)._tag, "Refused")
        assert.deepStrictEqual(yield* ids, [])
      })
    )

    it.effect("is a part of Transaction.run, which says which operation could only be rolled back", () =>
      Effect.gen(function* () {
        const { add, ids, sql } = yield* table("in_run")
        yield* Transaction.run(Effect.andThen(add(1), sql.withTransaction(add(2))))
        assert.deepStrictEqual(yield* words, ["BEGIN", "INSERT", "INSERT", "COMMIT"])
        const part = Effect.ignore(sql.withTransaction(Effect.andThen(add(4), Effect.fail("no"))))
        const failure = yield* Effect.flip(Transaction.run(Effect.andThen(add(3), part), { operation: "AddBoth" }))
        assert.include(failure, { _tag: "RollbackOnly", operation: "AddBoth" } as const)
        assert.deepStrictEqual(yield* ids, [1, 2])
      })
    )

    it.effect("is retried with all of Transaction.run where it conflicts, even if that was swallowed", () =>
      Effect.gen(function* () {
        const { add, control, ids, sql } = yield* table("conflict")
        yield* control.inject({ on: "statement", fault: "conflict", nth: [2] })
        yield* Transaction.run(Effect.andThen(add(1), Effect.ignore(sql.withTransaction(add(2)))), { policy })
        assert.deepStrictEqual(yield* ids, [1, 2])
        const sent = (yield* words).join(" ")
        assert.strictEqual(sent, "BEGIN INSERT INSERT ROLLBACK BEGIN INSERT INSERT COMMIT SELECT")
      })
    )

    it.effect("does not make a part of Transaction.run, which promises that it is committed", () =>
      Effect.gen(function* () {
        const { add, ids, sql } = yield* table("outermost")
        const failure = yield* Effect.flip(sql.withTransaction(Transaction.run(add(1))))
        assert.strictEqual(failure._tag, "UnsupportedFeature")
        assert.match(failure.message, /cannot start inside another/)
        assert.deepStrictEqual(yield* ids, [])
      })
    )

    it.effect("is refused inside Transaction.autocommit, which is one statement", () =>
      Effect.gen(function* () {
        const { add, sql } = yield* table("in_one")
        const failure = yield* Effect.flip(Transaction.autocommit(sql.withTransaction(add(1))))
        assert.strictEqual(failure._tag, "UnsupportedFeature")
      })
    )
  }
)

layer(Testing.layer({ client: { guarded } }), { excludeTestServices: true })(
  "withTransaction inside a transaction, by default",
  (it) => {
    it.effect("is refused, and the outer one may go on", () =>
      Effect.gen(function* () {
        const { add, ids, sql } = yield* table("refused")
        const failure = yield* sql.withTransaction(Effect.andThen(add(1), typed(sql.withTransaction(add(2)))))
        assert.strictEqual(failure._tag, "UnsupportedFeature")
        assert.strictEqual(
          failure.message,
          "Aurora DSQL has no savepoints, so a transaction cannot start inside another: " +
            'run it before or after, or let it join the outer one with the option nested: "join"'
        )
        assert.deepStrictEqual(yield* ids, [1])
      })
    )
  }
)
