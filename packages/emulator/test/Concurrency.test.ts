import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Client } from "pg"
import * as Shared from "./shared.ts"
import { ask, conflict, gives, rows, tells } from "./wireClient.ts"

const codeOf = (error: unknown) => (error instanceof Error && "code" in error ? error.code : error)

/** Runs a statement of node-postgres, with the code of its error where it has one. */
const run = (client: Client, sql: string, values?: ReadonlyArray<unknown>) =>
  Effect.promise(() =>
    client.query({ text: sql, ...(values !== undefined && { values: [...values] }) }).then(
      (result) => ({ rows: result.rows, count: result.rowCount, command: result.command, code: undefined }),
      (error: unknown) => ({ rows: [], count: null, command: undefined, code: codeOf(error) })
    )
  )

layer(Shared.layer(), { excludeTestServices: true })("what a transaction sees after it has lost", (it) => {
  const table = Effect.gen(function* () {
    const admin = yield* Shared.wire()
    yield* admin.query("CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY, n int NOT NULL, note text)")
    yield* tells(admin, "SELECT 1", "SELECT 1")
    yield* admin.query("DELETE FROM t")
    yield* tells(admin, "INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c')", "INSERT 0 3")
    return admin
  })

  it.effect("RETURNING gives the row as its snapshot has it, in the form that the client asked for", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* table
        const client = yield* Shared.client()
        yield* run(client, "BEGIN")
        yield* run(client, "SELECT * FROM t")
        yield* tells(admin, "UPDATE t SET n = 99 WHERE id = 1", "UPDATE 1")
        const sql = "UPDATE public.t SET n = n + $1 WHERE id = $2 RETURNING id, n, note"
        const first = yield* run(client, sql, [1, 1])
        assert.deepStrictEqual([first.count, first.rows], [1, [{ id: 1, n: 11, note: "a" }]])
        const second = yield* run(client, sql, [5, 1])
        assert.deepStrictEqual(second.rows, [{ id: 1, n: 16, note: "a" }])
        assert.deepStrictEqual((yield* run(client, "SELECT n FROM t WHERE id = $1", [1])).rows, [{ n: 16 }])
        assert.strictEqual((yield* run(client, "COMMIT")).code, "40001")
        yield* gives(admin, "SELECT n FROM t WHERE id = 1", [["99"]])
      })
    )
  )

  for (const what of ["a row", "a long row"]) {
    it.effect(`${what} that another has only waited for: who locked it in the extended protocol commits first`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          yield* table
          const [one, two] = [yield* Shared.client(), yield* Shared.client()]
          yield* run(one, "BEGIN")
          yield* run(two, "BEGIN")
          const locking = `SELECT n, repeat('x', $2) AS note FROM t WHERE id = $1 FOR UPDATE`
          yield* run(one, locking, [1, what === "a row" ? 1 : 2_000])
          yield* run(two, "UPDATE t SET n = n + 1 WHERE id = $1", [1])
          assert.isUndefined((yield* run(one, "COMMIT")).code)
          assert.strictEqual((yield* run(two, "COMMIT")).code, "40001")
        })
      )
    )
  }

  it.effect("ON CONFLICT decides by its snapshot, not by what was committed since", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* table
        const client = yield* Shared.begun
        yield* gives(client, "SELECT count(*) FROM t", [["3"]])
        yield* tells(admin, "INSERT INTO t VALUES (4, 1, 'other')", "INSERT 0 1")
        yield* gives(
          client,
          "INSERT INTO t VALUES (4, 2, 'mine') ON CONFLICT (id) DO UPDATE SET note = 'updated' RETURNING note",
          [["mine"]]
        )
        yield* tells(client, "INSERT INTO t VALUES (4, 3, 'again') ON CONFLICT DO NOTHING", "INSERT 0 0")
        yield* tells(client, "COMMIT", conflict)
        yield* gives(admin, "SELECT note FROM t WHERE id = 4", [["other"]])
      })
    )
  )

  const others = {
    changed: "UPDATE t SET note = 'changed' WHERE id = 1",
    deleted: "DELETE FROM t WHERE id = 1"
  }
  for (const [what, sql] of Object.entries(others)) {
    it.effect(
      `ON CONFLICT DO NOTHING leaves alone a row that others have ${what} since, and conflicts with nobody`,
      () =>
        Effect.scoped(
          Effect.gen(function* () {
            const admin = yield* table
            const client = yield* Shared.begun
            yield* ask(admin, sql)
            const seen = yield* rows(admin, "SELECT * FROM t ORDER BY id")
            yield* tells(client, "UPDATE t SET n = n + 1 WHERE id = 2", "UPDATE 1")
            const skipping = "VALUES (1, 0, 'mine'), (9, 9, 'new') ON CONFLICT (id) DO NOTHING RETURNING id, note"
            yield* gives(client, `INSERT INTO public.t ${skipping}`, [["9", "new"]])
            yield* gives(client, "SELECT note FROM t WHERE id IN (1, 9) ORDER BY id", [["a"], ["new"]])
            // Brought back, it does the same again.
            const rival = yield* Shared.begun
            yield* tells(rival, "UPDATE t SET n = 0 WHERE id = 2", "UPDATE 1")
            yield* tells(rival, "ROLLBACK", "ROLLBACK")
            yield* tells(client, "INSERT INTO t VALUES (1, 0, 'again') ON CONFLICT DO NOTHING", "INSERT 0 0")
            yield* tells(client, "COMMIT", "COMMIT")
            const expected = seen.map(([id, n, note]) => [id ?? "", id === "2" ? "21" : (n ?? ""), note ?? ""])
            yield* gives(admin, "SELECT * FROM t ORDER BY id", [...expected, ["9", "9", "new"]])
          })
        )
    )
  }

  it.effect("ON CONFLICT DO NOTHING beside an insert of the same key is two inserts", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* table
        const client = yield* Shared.begun
        yield* tells(admin, "INSERT INTO t VALUES (4, 1, 'other')", "INSERT 0 1")
        yield* tells(client, "INSERT INTO t VALUES (4, 2, 'mine') ON CONFLICT DO NOTHING", "INSERT 0 1")
        yield* gives(client, "SELECT note FROM t WHERE id = 4", [["mine"]])
        yield* tells(client, "COMMIT", conflict)
      })
    )
  )

  it.effect("two inserts of one key both succeed and the later COMMIT loses", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* table
        const [one, two] = [yield* Shared.begun, yield* Shared.begun]
        yield* tells(one, "INSERT INTO t VALUES (5, 1, 'one')", "INSERT 0 1")
        yield* tells(two, "INSERT INTO t VALUES (5, 2, 'two')", "INSERT 0 1")
        yield* tells(two, "COMMIT", "COMMIT")
        yield* tells(one, "COMMIT", conflict)
        yield* gives(admin, "SELECT note FROM t WHERE id = 5", [["two"]])
      })
    )
  )

  it.effect("a key that its snapshot holds is a unique violation, whoever else committed", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* table
        const client = yield* Shared.begun
        yield* gives(client, "SELECT count(*) FROM t", [["3"]])
        yield* tells(admin, "INSERT INTO t VALUES (6, 1, 'other')", "INSERT 0 1")
        const told = yield* ask(client, "INSERT INTO t VALUES (1, 1, 'taken')")
        assert.match(told, /^23505 /)
        yield* tells(client, "COMMIT", "ROLLBACK")
      })
    )
  )

  it.effect("INSERT ... SELECT copies what its snapshot has", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* table
        const client = yield* Shared.begun
        yield* tells(client, "UPDATE t SET n = n + 1 WHERE id = 1", "UPDATE 1")
        yield* tells(admin, "UPDATE t SET n = 1000", "UPDATE 3")
        yield* tells(client, "INSERT INTO t SELECT id + 10, n, note FROM t", "INSERT 0 3")
        yield* gives(client, "SELECT id, n FROM t WHERE id > 10 ORDER BY id", [
          ["11", "11"],
          ["12", "20"],
          ["13", "30"]
        ])
        yield* tells(client, "COMMIT", conflict)
        yield* gives(admin, "SELECT count(*) FROM t", [["3"]])
      })
    )
  )

  it.effect("whoever commits first wins, however often both have written", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* table
        const [one, two] = [yield* Shared.begun, yield* Shared.begun]
        for (let n = 0; n < 5; n++) {
          yield* tells(one, "UPDATE t SET n = n + 1 WHERE id = 1", "UPDATE 1")
          yield* tells(two, "UPDATE t SET n = n + 100 WHERE id = 1", "UPDATE 1")
        }
        yield* gives(one, "SELECT n FROM t WHERE id = 1", [["15"]])
        yield* gives(two, "SELECT n FROM t WHERE id = 1", [["510"]])
        yield* tells(one, "COMMIT", "COMMIT")
        yield* tells(two, "COMMIT", conflict)
        yield* gives(admin, "SELECT n FROM t WHERE id = 1", [["15"]])
      })
    )
  )

  it.effect("rows taken in opposite order are no deadlock", () =>
    Effect.scoped(
      Effect.gen(function* () {
        yield* table
        const [one, two] = [yield* Shared.begun, yield* Shared.begun]
        yield* tells(one, "UPDATE t SET n = 1 WHERE id = 1", "UPDATE 1")
        yield* tells(two, "UPDATE t SET n = 2 WHERE id = 2", "UPDATE 1")
        const both = yield* Effect.all(
          [ask(one, "UPDATE t SET n = 1 WHERE id = 2"), ask(two, "UPDATE t SET n = 2 WHERE id = 1")],
          { concurrency: 2 }
        )
        assert.deepStrictEqual(both, ["UPDATE 1", "UPDATE 1"])
        yield* tells(two, "COMMIT", "COMMIT")
        yield* tells(one, "COMMIT", conflict)
      })
    )
  )

  it.effect("a transaction that rolls back has been in nobody's way", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* table
        const [one, two] = [yield* Shared.begun, yield* Shared.begun]
        yield* tells(one, "UPDATE t SET n = 1 WHERE id = 1", "UPDATE 1")
        yield* tells(two, "UPDATE t SET n = 2 WHERE id = 1", "UPDATE 1")
        yield* tells(two, "ROLLBACK", "ROLLBACK")
        yield* tells(one, "COMMIT", "COMMIT")
        yield* gives(admin, "SELECT n FROM t WHERE id = 1", [["1"]])
      })
    )
  )

  it.effect("an autocommitted write does not wait for an open transaction and wins", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* table
        const client = yield* Shared.begun
        yield* tells(client, "UPDATE t SET n = 1 WHERE id = 1", "UPDATE 1")
        yield* tells(admin, "UPDATE t SET n = 2 WHERE id = 1", "UPDATE 1")
        yield* gives(client, "SELECT n FROM t WHERE id = 1", [["1"]])
        yield* tells(client, "COMMIT", conflict)
      })
    )
  )

  it.effect("a transaction that only read is never told of a conflict", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* table
        const client = yield* Shared.begun
        yield* gives(client, "SELECT n FROM t WHERE id = 1", [["10"]])
        yield* tells(admin, "UPDATE t SET n = 2", "UPDATE 3")
        yield* gives(client, "SELECT n FROM t WHERE id = 1", [["10"]])
        yield* tells(client, "COMMIT", "COMMIT")
      })
    )
  )

  it.effect("no acknowledged increment is lost among many writers of one row", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* table
        const attempts = yield* Effect.forEach(
          Array.from({ length: 8 }, (_, n) => n),
          (n) =>
            Effect.scoped(
              Effect.gen(function* () {
                const client = yield* Shared.client()
                let committed = 0
                for (let round = 0; round < 10; round++) {
                  yield* run(client, "BEGIN")
                  const read = yield* run(client, "SELECT n FROM t WHERE id = $1 FOR UPDATE", [1])
                  yield* run(client, "UPDATE t SET n = $1 WHERE id = 1", [Number(read.rows[0]?.n) + 1])
                  if (n % 2 === 0) yield* run(client, "UPDATE t SET note = 'x' WHERE id = $1", [2 + (round % 2)])
                  if ((yield* run(client, "COMMIT")).command === "COMMIT") committed++
                }
                return committed
              })
            ),
          { concurrency: "unbounded" }
        )
        const total = attempts.reduce((sum, each) => sum + each, 0)
        assert.isAbove(total, 0)
        yield* gives(admin, "SELECT n FROM t WHERE id = 1", [[String(10 + total)]])
      })
    )
  )

  it.effect("money is neither made nor lost among transfers in every direction, and nobody hangs", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const admin = yield* Shared.wire()
        yield* tells(admin, "CREATE TABLE account (id int PRIMARY KEY, n int NOT NULL)", "CREATE TABLE")
        yield* tells(
          admin,
          "CREATE TABLE entry (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), account int REFERENCES account (id))",
          "CREATE TABLE"
        )
        yield* tells(admin, "INSERT INTO account SELECT g, 100 FROM generate_series(1, 5) g", "INSERT 0 5")
        const sums = new Set<unknown>()
        const total = "SELECT sum(n)::int AS s FROM account"
        yield* Effect.forEach(
          Array.from({ length: 10 }, (_, n) => n),
          (n) =>
            Effect.scoped(
              Effect.gen(function* () {
                const client = yield* Shared.client()
                for (let round = 0; round < 15; round++) {
                  const [from, to] = [1 + ((n + round) % 5), 1 + ((n * 3 + round * 2) % 5)]
                  if (round % 5 === 0) yield* run(client, "UPDATE account SET n = n + 0")
                  yield* run(client, "BEGIN")
                  if (round % 3 === 0) yield* run(client, "SELECT n FROM account WHERE id = $1 FOR UPDATE", [from])
                  if (round % 3 === 1) yield* run(client, "SELECT n FROM account WHERE id = $1 FOR KEY SHARE", [to])
                  yield* run(client, "UPDATE account SET n = n - 1 WHERE id = $1", [from])
                  yield* run(client, "INSERT INTO entry (account) VALUES ($1)", [to])
                  yield* run(client, "UPDATE account SET n = n + 1 WHERE id = $1", [to])
                  sums.add((yield* run(client, total)).rows[0]?.s)
                  yield* run(client, round % 7 === 6 ? "ROLLBACK" : "COMMIT")
                  sums.add((yield* run(client, total)).rows[0]?.s)
                }
              })
            ),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual([...sums], [500])
      })
    )
  )
})
