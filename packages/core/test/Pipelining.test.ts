/**
 * What a transaction sends together, in how many round trips, and that nothing which is sent with a BEGIN or a COMMIT
 * takes effect without it.
 */
import { DsqlClient, DsqlError, Expression, Guard, Guarded, Transaction, Write } from "@effect-dsql/core"
import { Testing } from "@effect-dsql/testing"
import { PgClient } from "@effect/sql-pg"
import { assert, it, layer } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Option, Stream, Tracer } from "effect"
import { SqlClient, Statement } from "effect/sql"
import { snakeToCamel } from "effect/String"
import { Control } from "../../../test/emulator.ts"
import { table } from "../../../test/roundTrips.ts"

const statement = (text: string) => Effect.flatMap(Transaction.sql, (sql) => sql.unsafe(text))

const insert = (id: number) => Effect.flatMap(Transaction.sql, (sql) => sql`INSERT INTO rows (id) VALUES (${id})`)

const atOnce = (ids: ReadonlyArray<number>) => Effect.forEach(ids, insert, { concurrency: "unbounded" })

/** Runs a body, and ends with the rows that are to be inserted. */
const ending = <A, E, R>(body: Effect.Effect<A, E, R>, ids: ReadonlyArray<number>) =>
  Effect.flatMap(Effect.andThen(body, Transaction.sql), (sql) =>
    Effect.succeed(ids.map((id) => sql`INSERT INTO rows (id) VALUES (${id})`))
  )

const read = statement("SELECT id FROM rows ORDER BY id")

const alter = "CREATE TABLE IF NOT EXISTS others (id integer PRIMARY KEY)"

const schema = Layer.effectDiscard(
  Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => sql`CREATE TABLE rows (id integer PRIMARY KEY)`)
)

/** One connection, so that it is seen whether it can be used again. */
const database = (options: DsqlClient.PoolOptions = {}) =>
  Layer.provideMerge(schema, Testing.layer({ client: { maxConnections: 1, ...options } }))

/** The rows that are there, which are taken away. */
const stored = Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) =>
  Effect.map(sql<{ readonly id: number }>`DELETE FROM rows RETURNING id`, (rows) =>
    rows.map(({ id }) => id).toSorted((a, b) => a - b)
  )
)

/** What an effect fails with, what arrived of it, in how many round trips, and the connections that it opened. */
const observed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const control = yield* Control
    const before = yield* control.counts()
    const known = (yield* control.statements()).length
    const exit = yield* Effect.exit(effect)
    const after = yield* control.counts()
    const arrivals = (yield* control.statements()).slice(known).map(({ sql }) => sql.split(" ", 2).join(" "))
    return {
      arrivals,
      connections: after.connections - before.connections,
      roundTrips: after.roundTrips - before.roundTrips,
      error: Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    }
  })

const forms: Readonly<Record<string, Effect.Effect<unknown, unknown, DsqlClient.DsqlClient>>> = {
  "one statement": Transaction.run(insert(1)),
  "three in turn": Transaction.run(Effect.forEach([1, 2, 3], insert)),
  "three at once": Transaction.run(atOnce([1, 2, 3])),
  "one, then two at once": Transaction.run(Effect.andThen(read, atOnce([1, 2]))),
  "one, and an end of two": Transaction.finish(ending(read, [1, 2])),
  "an end of three": Transaction.batch((sql) => [1, 2, 3].map((id) => sql`INSERT INTO rows VALUES (${id})`)),
  "one, and an end of nothing": Transaction.finish(ending(insert(1), [])),
  nothing: Transaction.run(Effect.void),
  "an end of nothing": Transaction.batch(() => []),
  "nothing, rolled back": Effect.flip(Transaction.run(Effect.fail("no"))),
  "one, rolled back": Effect.flip(Transaction.run(Effect.andThen(insert(1), Effect.fail("no")))),
  "a change of the schema": Transaction.run(statement(alter)),
  "an end that changes the schema": Transaction.batch((sql) => [sql.unsafe(alter)]),
  "a statement that commits by itself": Transaction.autocommit(insert(1))
}

/** What `docs/round-trips.md` says of each. */
const documented = table("A transaction").map(([form = "", on, off]) => ({ form, on: Number(on), off: Number(off) }))

it("The page on round trips names these forms of a transaction and no others", () => {
  assert.deepStrictEqual(
    documented.map(({ form }) => form),
    Object.keys(forms)
  )
})

/** Somebody looks at spans, so each statement at the end of a transaction has a fiber of its own. */
const watched = Layer.succeed(Tracer.Tracer, Tracer.make({ span: (options) => new Tracer.NativeSpan(options) }))

for (const [how, pipeline, tracer] of [
  ["the pipeline on", "on", Layer.empty],
  ["the pipeline on and its spans watched", "on", watched],
  ["the pipeline off", "off", Layer.empty]
] as const) {
  const live = Layer.provideMerge(tracer, database({ pipeline }))
  layer(live, { excludeTestServices: true })(`with ${how}, a transaction`, (it) => {
    it.effect.each(Object.entries(forms))("takes the round trips that the page says: %s", ([form, program]) =>
      Effect.gen(function* () {
        // The first time opens a connection.
        yield* program
        yield* stored
        assert.strictEqual(
          (yield* observed(program)).roundTrips,
          documented.find((row) => row.form === form)?.[pipeline]
        )
        yield* stored
      })
    )

    it.effect("commits what it was to commit, in the order in which it was asked", () =>
      Effect.gen(function* () {
        yield* Transaction.run(Effect.andThen(insert(1), atOnce([2, 3])))
        const [before, after] = yield* Transaction.finish(
          Effect.gen(function* () {
            const sql = yield* Transaction.sql
            yield* insert(4)
            return [
              sql<{ readonly n: bigint }>`SELECT count(*) AS n FROM rows`,
              sql<{ readonly id: number }>`UPDATE rows SET id = 9 WHERE id = 4 RETURNING id`
            ] as const
          })
        )
        assert.deepStrictEqual([before, after], [[{ n: 4n }], [{ id: 9 }]])
        assert.deepStrictEqual(yield* stored, [1, 2, 3, 9])
      })
    )

    it.effect("sends nothing of what was sent with a BEGIN that is refused, nor of what comes after it", () =>
      Effect.gen(function* () {
        const refused = (body: Effect.Effect<unknown, unknown, SqlClient.SqlClient>) =>
          Effect.flatMap(SqlClient.SqlClient, (sql) =>
            sql
              .withTransaction(body)
              .pipe(Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL SERIALIZABLE"))
          )
        const write = (id: number) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO rows VALUES (${id})`)
        for (const body of [
          write(1),
          Effect.forEach([1, 2, 3], write, { concurrency: "unbounded" }),
          Effect.ignore(write(1)),
          Effect.andThen(Effect.ignore(write(1)), write(2)),
          // The second one is asked for while BEGIN is under way.
          Effect.all([write(1), Effect.andThen(Effect.yieldNow, write(2))], {
            concurrency: "unbounded",
            mode: "result"
          })
        ]) {
          const { arrivals, error } = yield* observed(refused(body))
          assert.strictEqual(DsqlError.from(error as never)._tag, "UnsupportedFeature")
          assert.deepStrictEqual(arrivals, [])
          assert.deepStrictEqual(yield* stored, [])
        }
      })
    )

    it.effect("fails with what failed first, commits nothing, and keeps its connection", () =>
      Effect.gen(function* () {
        yield* Transaction.run(insert(2))
        for (const program of [
          Transaction.run(Effect.forEach([1, 2, 3], insert)),
          Transaction.run(atOnce([1, 2, 3])),
          Transaction.finish(ending(read, [1, 2, 3])),
          Transaction.finish(ending(insert(1), [2, 3])),
          Transaction.batch((sql) => [1, 2, 3].map((id) => sql`INSERT INTO rows VALUES (${id})`))
        ]) {
          const { connections, error } = yield* observed(program)
          assert.include(error, { _tag: "UniqueViolation" })
          assert.strictEqual(connections, 0)
        }
        assert.deepStrictEqual(yield* stored, [2])
      })
    )

    it.effect("fails where the error of one of its statements was swallowed, and so is that of an end", () =>
      Effect.gen(function* () {
        for (const program of [
          Transaction.run(Effect.ignore(statement("SELECT 1 / 0"))),
          Transaction.finish(ending(Effect.ignore(statement("SELECT 1 / 0")), [1]))
        ]) {
          const { connections, error } = yield* observed(program)
          assert.include(error, { _tag: "StatementFailed", sqlState: "25P02" })
          assert.strictEqual(connections, 0)
        }
        assert.deepStrictEqual(yield* stored, [])
      })
    )

    it.effect("does not send its end where one statement of it cannot be sent", () =>
      Effect.gen(function* () {
        const { arrivals, error } = yield* observed(
          Transaction.batch((sql) => [
            sql`INSERT INTO rows VALUES (1)`,
            sql`INSERT INTO rows VALUES (${Symbol() as never})`
          ])
        )
        assert.include(error, { _tag: "StatementFailed" })
        assert.deepStrictEqual(arrivals, [])
        assert.deepStrictEqual(yield* stored, [])
      })
    )

    it.effect("keeps its connection where a statement is interrupted because another one failed", () =>
      Effect.gen(function* () {
        yield* Transaction.run(insert(1))
        const slow = Effect.andThen(Effect.yieldNow, statement("SELECT pg_sleep(0.02)"))
        const { connections, error } = yield* observed(
          Transaction.run(Effect.all([insert(1), slow, slow], { concurrency: "unbounded" }))
        )
        assert.include(error, { _tag: "UniqueViolation" })
        assert.strictEqual(connections, 0)
        assert.deepStrictEqual(yield* stored, [1])
      })
    )

    it.effect("commits a statement that lost a race, as the server does not stop it", () =>
      Effect.gen(function* () {
        yield* Transaction.run(Effect.raceFirst(insert(1), insert(2)))
        assert.include([[1], [1, 2]].map(String), String(yield* stored))
      })
    )

    it.effect("sends nothing of a statement that outlives it", () =>
      Effect.gen(function* () {
        const ended = yield* Deferred.make<void>()
        const outcome = yield* Deferred.make<Exit.Exit<unknown, unknown>>()
        yield* Transaction.run(
          Effect.gen(function* () {
            yield* insert(1)
            yield* Deferred.await(ended).pipe(
              Effect.andThen(insert(2)),
              Effect.exit,
              Effect.flatMap((exit) => Deferred.succeed(outcome, exit)),
              Effect.forkDetach
            )
          })
        )
        yield* Deferred.succeed(ended, undefined)
        assert.isTrue(Exit.isFailure(yield* Deferred.await(outcome)))
        assert.deepStrictEqual(yield* stored, [1])
      })
    )

    it.effect("streams between its statements, also as its first and last one", () =>
      Effect.gen(function* () {
        const ids = Effect.flatMap(Transaction.sql, (sql) =>
          Stream.runCollect(sql<{ readonly id: number }>`SELECT generate_series(1, 2000) AS id`.stream)
        )
        yield* Transaction.run(
          Effect.gen(function* () {
            assert.lengthOf(yield* ids, 2_000)
            yield* atOnce([1, 2])
            assert.lengthOf(yield* ids, 2_000)
          })
        )
        assert.deepStrictEqual(yield* stored, [1, 2])
      })
    )

    it.effect("goes on after a stream of which not all was read, alone and in a transaction", () =>
      Effect.gen(function* () {
        const { sql } = yield* DsqlClient.DsqlClient
        const some = Stream.runCollect(
          Stream.take(sql<{ readonly n: number }>`SELECT generate_series(1, 9) AS n`.stream, 1)
        )
        const { connections } = yield* observed(
          Effect.gen(function* () {
            assert.deepStrictEqual(yield* some, [{ n: 1 }])
            yield* Transaction.run(Effect.andThen(some, insert(1)))
          })
        )
        assert.strictEqual(connections, 0)
        assert.deepStrictEqual(yield* stored, [1])
      })
    )

    it.effect("runs the same text twice at once, prepared by the first", () =>
      Effect.gen(function* () {
        const same = statement("SELECT 7 AS seven")
        const rows = yield* Transaction.run(Effect.all([same, same, same], { concurrency: "unbounded" }))
        assert.deepStrictEqual(rows, [[{ seven: 7 }], [{ seven: 7 }], [{ seven: 7 }]])
      })
    )

    it.effect("keeps its statements prepared beyond what it keeps of them", () =>
      Effect.gen(function* () {
        for (let round = 0; round < 2; round++) {
          const texts = Array.from({ length: 250 }, (_, n) => statement(`SELECT ${n} AS n`))
          const rows = yield* Transaction.run(Effect.all(texts, { concurrency: "unbounded" }))
          assert.deepStrictEqual(
            rows.map(([row]) => row),
            Array.from({ length: 250 }, (_, n) => ({ n }))
          )
        }
      })
    )

    it.effect("is as it was after a text that failed while it was prepared", () =>
      Effect.gen(function* () {
        for (let round = 0; round < 2; round++) {
          const missing = statement("SELECT * FROM later")
          const { error } = yield* observed(
            Transaction.run(Effect.all([missing, missing, read], { concurrency: "unbounded" }))
          )
          assert.include(error, { _tag: "StatementFailed", sqlState: "42P01" })
        }
        yield* Transaction.run(statement("CREATE TABLE later (id integer PRIMARY KEY)"))
        assert.deepStrictEqual(yield* Transaction.run(statement("SELECT * FROM later")), [])
        yield* Transaction.run(statement("DROP TABLE later"))
      })
    )
  })
}

layer(database({ transformResultNames: snakeToCamel }), { excludeTestServices: true })(
  "the end of a transaction",
  (it) => {
    it.effect("is statements of the client that transforms names, too", () =>
      Effect.gen(function* () {
        const transforming = yield* SqlClient.SqlClient
        const rows = yield* Transaction.finish(
          Effect.map(Transaction.sql, (sql) => [sql`SELECT 1 AS one_two`, transforming`SELECT 1 AS one_two`])
        )
        assert.deepStrictEqual(rows, [[{ one_two: 1 }], [{ oneTwo: 1 }]])
      })
    )

    it.effect("fails as its transform does, once all is committed", () =>
      Effect.gen(function* () {
        const failing = DsqlClient.layerUrl({
          url: (yield* PgClient.PgClient).config.url ?? (yield* Effect.die("no URL")),
          transformResultNames: () => {
            throw new Error("no such name")
          }
        })
        const exit = yield* Effect.exit(
          Effect.flatMap(SqlClient.SqlClient, (sql) =>
            Transaction.finish(Effect.succeed([sql`INSERT INTO rows VALUES (1) RETURNING id`]))
          ).pipe(Effect.provide(failing))
        )
        assert.isTrue(Exit.hasDies(exit))
        assert.deepStrictEqual(yield* stored, [1])
      })
    )

    it.effect("is sent as somebody makes it who changes statements, or runs as somebody made it", () =>
      Effect.gen(function* () {
        const [changed] = yield* Transaction.batch((sql) => [sql`SELECT 1 AS one`]).pipe(
          Effect.provideService(Statement.CurrentTransformer, (_, sql) => Effect.succeed(sql`SELECT 2 AS two`))
        )
        assert.deepStrictEqual(changed, [{ two: 2 }])
        const refused = yield* Effect.flip(
          Transaction.batch((sql) => {
            const statement = sql`SELECT 1`
            // A statement that does something else when it is run.
            const value = () => Effect.fail("refused")
            return [Object.create(statement, { "~effect/Effect/evaluate": { value } }) as typeof statement]
          })
        )
        assert.strictEqual<unknown>(refused, "refused")
      })
    )

    it.effect("leaves a statement of another client to that client", () =>
      Effect.gen(function* () {
        const { sql: other } = yield* DsqlClient.DsqlClient
        const elsewhere = Layer.fresh(database())
        const [own, others] = yield* Effect.provide(
          Transaction.finish(
            Effect.map(Transaction.sql, (sql) => [
              sql<{ readonly name: string }>`SELECT current_database() AS name`,
              other<{ readonly name: string }>`SELECT current_database() AS name`
            ])
          ),
          elsewhere
        )
        const here = yield* other<{ readonly name: string }>`SELECT current_database() AS name`
        assert.deepStrictEqual(others, here)
        assert.notDeepEqual(own, others)
      })
    )
  }
)

layer(database({ streams: "pages" }), { excludeTestServices: true })("a stream in pages", (it) => {
  const numbers = (text: string) =>
    Effect.map(Transaction.sql, (sql) => sql.unsafe<{ readonly n: number }>(text).stream)
  const many = "SELECT generate_series(1, 1200) AS n"
  const cursors = Effect.map(statement("SELECT name FROM pg_cursors WHERE name LIKE 'dsql%'"), (rows) => rows.length)

  it.effect("takes a round trip for each page, and lets statements in between, its reader's own among them", () =>
    Effect.gen(function* () {
      const { error, roundTrips } = yield* observed(
        Transaction.run(
          Effect.gen(function* () {
            const seen: Array<number> = []
            const ask = ({ n }: { readonly n: number }) =>
              Effect.andThen(
                n % 600 === 0 ? Effect.asVoid(insert(n)) : Effect.void,
                Effect.sync(() => seen.push(n))
              )
            yield* Effect.flatMap(numbers(many), Stream.runForEach(ask))
            assert.deepStrictEqual(
              seen,
              Array.from({ length: 1_200 }, (_, at) => at + 1)
            )
          })
        )
      )
      assert.isUndefined(error)
      // Three pages, two statements, COMMIT.
      assert.strictEqual(roundTrips, 6)
      assert.deepStrictEqual(yield* stored, [600, 1_200])
    })
  )

  it.effect("lets a statement of another fiber in while a page is being read", () =>
    Effect.gen(function* () {
      yield* Transaction.run(
        Effect.gen(function* () {
          const begun = yield* Deferred.make<void>()
          const written = yield* Deferred.make<void>()
          const reading = Effect.flatMap(
            numbers(many),
            Stream.runForEach(() => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(written)))
          )
          const writing = Effect.andThen(
            Effect.andThen(Deferred.await(begun), insert(1)),
            Deferred.succeed(written, undefined)
          )
          yield* Effect.all([reading, writing], { concurrency: "unbounded" })
        })
      )
      assert.deepStrictEqual(yield* stored, [1])
    })
  )

  it.effect("closes its portal where not all of it is read, or its reader is interrupted", () =>
    Effect.gen(function* () {
      const { connections, error } = yield* observed(
        Transaction.run(
          Effect.gen(function* () {
            const rows = yield* numbers(many)
            assert.strictEqual(
              yield* Stream.runHead(Stream.mapEffect(rows, () => cursors)).pipe(Effect.map(Option.getOrThrow)),
              1
            )
            assert.strictEqual(yield* cursors, 0)
            const begun = yield* Deferred.make<void>()
            const fiber = yield* Effect.forkChild(
              Stream.runForEach(rows, () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
            )
            yield* Deferred.await(begun)
            yield* Fiber.interrupt(fiber)
            assert.strictEqual(yield* cursors, 0)
            yield* insert(1)
          })
        )
      )
      assert.isUndefined(error)
      assert.strictEqual(connections, 0)
      assert.deepStrictEqual(yield* stored, [1])
    })
  )

  it.effect("fails with the error of the page in which it came, and nothing is committed", () =>
    Effect.gen(function* () {
      let rows = 0
      const { connections, error } = yield* observed(
        Transaction.run(
          Effect.andThen(
            insert(1),
            Effect.flatMap(
              numbers("SELECT 1 / (700 - n) AS n FROM generate_series(1, 1200) AS n"),
              Stream.runForEach(() => Effect.sync(() => rows++))
            )
          )
        )
      )
      assert.include(error, { _tag: "StatementFailed", sqlState: "22012" })
      assert.strictEqual(rows, 500)
      assert.strictEqual(connections, 0)
      assert.deepStrictEqual(yield* stored, [])
    })
  )

  it.effect("ends with its transaction", () =>
    Effect.gen(function* () {
      const ended = yield* Deferred.make<void>()
      const outcome = yield* Deferred.make<Exit.Exit<void, unknown>>()
      yield* Transaction.run(
        Effect.gen(function* () {
          yield* insert(1)
          const begun = yield* Deferred.make<void>()
          const reading = Effect.flatMap(
            numbers(many),
            Stream.runForEach(() => Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(ended)))
          )
          yield* Effect.forkDetach(Effect.flatMap(Effect.exit(reading), (exit) => Deferred.succeed(outcome, exit)))
          yield* Deferred.await(begun)
        })
      )
      yield* Deferred.succeed(ended, undefined)
      const exit = yield* Deferred.await(outcome)
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(yield* stored, [1])
    })
  )
})

layer(database({ guarded: "transaction" }), { excludeTestServices: true })("a guarded write in a transaction", (it) => {
  it.effect("is judged before it is sent", () =>
    Effect.gen(function* () {
      const integer = (value: number) => Expression.value("integer", value)
      const there = Guard.make<"refused">({
        name: "there",
        row: Guard.row("rows", { id: integer(1) }, ["id"], "shared"),
        columns: ["id"],
        refuse: () => Effect.fail("refused" as const)
      })
      const write = Guarded.write({
        guards: [there],
        writes: [Write.insert({ into: "rows", columns: { id: integer(2) } })]
      })
      const { arrivals, error } = yield* observed(Transaction.run(write))
      assert.strictEqual(error, "refused")
      assert.notInclude(arrivals, "INSERT INTO")
      assert.deepStrictEqual(yield* stored, [])
    })
  )
})
