import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Shared from "./shared.ts"
import { ask, conflict, tells } from "./wireClient.ts"

/** What a statement does to a row, as far as another transaction is concerned. */
type Mark = "non-key" | "key" | "for update" | "key share"

/** Which of two marks on one row let both transactions commit. */
const collide = (a: Mark, b: Mark): boolean =>
  !(a === "key share" && (b === "key share" || b === "non-key")) && !(a === "non-key" && b === "key share")

/** A statement on the rows `{1}` and `{2}`, with what it does to each of them. */
interface Kind {
  readonly sql: string
  readonly marks: { readonly 1?: Mark; readonly 2?: Mark }
}

const kinds = (marks: Kind["marks"], ...sqls: ReadonlyArray<string>): ReadonlyArray<Kind> =>
  sqls.map((sql) => ({ sql, marks }))

const all: ReadonlyArray<Kind> = [
  ...kinds(
    {},
    "SELECT * FROM t WHERE id = {1}",
    "SELECT count(*) FROM t",
    "SELECT looked({1})",
    "EXPLAIN UPDATE t SET v = 1 WHERE id = {1}",
    "UPDATE t SET v = v + 1 WHERE id = {1} AND v < 0",
    "UPDATE t SET v = v + 1 WHERE false",
    "DELETE FROM t WHERE id = {1} AND v < 0",
    "SELECT v FROM t WHERE id = {1} AND v < 0 FOR UPDATE",
    "UPDATE c SET note = 'x' WHERE t_id = {1}"
  ),
  ...kinds(
    { 1: "non-key" },
    "UPDATE t SET v = v + 1 WHERE id = {1}",
    "UPDATE t SET v = v WHERE id = {1}",
    "UPDATE t SET v = 7 WHERE k = {1}",
    "UPDATE t SET v = 7 WHERE id + 0 = {1}",
    "UPDATE t SET v = 7 WHERE id IN ({1})",
    "UPDATE t SET v = 7 WHERE id = ANY (ARRAY[{1}])",
    "UPDATE t SET v = 7 WHERE id BETWEEN {1} AND {1}",
    "UPDATE t AS x SET v = y.v + 1 FROM t AS y WHERE x.id = {1} AND y.id = {2}",
    "UPDATE t SET (v, note) = (7, 'x') WHERE id = {1} RETURNING *",
    "WITH w AS (UPDATE t SET v = 7 WHERE id = {1} RETURNING id) SELECT count(*) FROM w",
    "UPDATE shown SET v = 7 WHERE id = {1}",
    "INSERT INTO t VALUES ({1}, {1}, 0) ON CONFLICT (id) DO UPDATE SET v = t.v + 1",
    "INSERT INTO t SELECT id, k, v FROM t WHERE id = {1} ON CONFLICT (id) DO UPDATE SET v = 7",
    "SELECT bumped({1})",
    "SELECT bumped(id) FROM t WHERE id = {1}",
    "WITH held AS MATERIALIZED (SELECT v FROM t WHERE id = {1} FOR KEY SHARE) UPDATE t SET v = 7 WHERE id = {1} AND EXISTS (SELECT FROM held)"
  ),
  ...kinds(
    { 1: "non-key", 2: "non-key" },
    "UPDATE t SET v = 7 WHERE id IN ({1}, {2})",
    "SELECT bumped({1}), bumped({2})"
  ),
  ...kinds(
    { 1: "key" },
    "UPDATE t SET k = -{1} WHERE id = {1}",
    "UPDATE t SET id = -{1} WHERE id = {1}",
    "UPDATE t SET v = 7, k = -{1} WHERE k = {1}",
    "DELETE FROM t WHERE id = {1}",
    "DELETE FROM t WHERE k = {1} RETURNING *",
    "DELETE FROM t USING t AS o WHERE t.id = {1} AND o.id = {2}",
    "WITH gone AS (DELETE FROM t WHERE id = {1} RETURNING id) SELECT id FROM gone",
    "DELETE FROM shown WHERE id = {1}",
    "SELECT removed({1})"
  ),
  ...kinds({ 1: "key", 2: "key" }, "DELETE FROM t WHERE id IN ({1}, {2})", "UPDATE t SET k = -k WHERE k IN ({1}, {2})"),
  ...kinds(
    { 1: "for update" },
    "SELECT v FROM t WHERE id = {1} FOR UPDATE",
    "SELECT v FROM t WHERE k = {1} FOR UPDATE",
    "SELECT * FROM t WHERE id IN ({1}) ORDER BY id FOR UPDATE",
    "SELECT * FROM t WHERE id >= {1} ORDER BY id LIMIT 1 FOR UPDATE",
    "SELECT x.v, y.v FROM t AS x, t AS y WHERE x.id = {1} AND y.id = {2} FOR UPDATE OF x",
    "SELECT count(*) FROM (SELECT id FROM t WHERE id = {1} FOR UPDATE) s",
    "WITH held AS MATERIALIZED (SELECT id FROM t WHERE id = {1} FOR UPDATE) SELECT id FROM held",
    "SELECT held({1})"
  ),
  ...kinds(
    { 1: "for update", 2: "for update" },
    "SELECT v FROM t WHERE id IN ({1}, {2}) FOR UPDATE",
    "WITH held AS MATERIALIZED (SELECT id FROM t WHERE k = {1} OR k = {2} FOR UPDATE) SELECT count(*) FROM held"
  ),
  ...kinds(
    { 1: "key share" },
    "SELECT v FROM t WHERE id = {1} FOR KEY SHARE",
    "SELECT v FROM t WHERE k = {1} FOR KEY SHARE",
    "SELECT v FROM shown WHERE id = {1} FOR KEY SHARE",
    "WITH held AS MATERIALIZED (SELECT id FROM t WHERE id = {1} FOR KEY SHARE) SELECT id FROM held",
    "INSERT INTO c VALUES (gen_random_uuid(), {1})",
    "INSERT INTO c SELECT gen_random_uuid(), id FROM t WHERE id = {1}",
    "WITH made AS (INSERT INTO c VALUES (gen_random_uuid(), {1}) RETURNING id) SELECT count(*) FROM made"
  ),
  ...kinds(
    { 1: "key share", 2: "key share" },
    "SELECT v FROM t WHERE id IN ({1}, {2}) FOR KEY SHARE",
    "INSERT INTO c VALUES (gen_random_uuid(), {1}), (gen_random_uuid(), {2})"
  )
]

const reachesThrough = /\b(shown|bumped|removed|held)\b/

/** When the other transaction's statement and COMMIT come, of the one whose COMMIT is to be judged. */
const schedules: Readonly<Record<string, ReadonlyArray<"first" | "second" | "commit">>> = {
  "both before either commits": ["first", "second", "commit"],
  "both the other way round": ["second", "first", "commit"],
  "the second after the first has committed": ["first", "commit", "second"]
}

const definitions = [
  "CREATE TABLE t (id int PRIMARY KEY, k int UNIQUE, v int NOT NULL, note text)",
  "CREATE TABLE c (id uuid PRIMARY KEY, t_id int NOT NULL REFERENCES t (id), note text)",
  "CREATE VIEW shown AS SELECT id, k, v FROM t",
  "CREATE FUNCTION looked(n int) RETURNS int LANGUAGE sql STABLE AS 'SELECT v FROM t WHERE id = n'",
  "CREATE FUNCTION bumped(n int) RETURNS int LANGUAGE sql AS 'UPDATE t SET v = v + 1 WHERE id = n RETURNING v'",
  "CREATE FUNCTION removed(n int) RETURNS int LANGUAGE sql AS 'DELETE FROM t WHERE id = n RETURNING v'",
  "CREATE FUNCTION held(n int) RETURNS int LANGUAGE sql AS 'SELECT v FROM t WHERE id = n FOR UPDATE'"
]

const loses = (a: Kind["marks"], b: Kind["marks"]): boolean =>
  ([1, 2] as const).some((row) => {
    const [one, other] = [a[row], b[row]]
    return one !== undefined && other !== undefined && collide(one, other)
  })

/** How many pairs are tried, of those that there are in three schedules: INTERLEAVINGS=all, or another number. */
const wanted = process.env["INTERLEAVINGS"] ?? "150"
const seed = Number(process.env["INTERLEAVINGS_SEED"] ?? Date.now() % 1_000_000)

/** Numbers below one, the same for the same seed (mulberry32). */
const random = (() => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
})()

layer(Shared.layer(), { excludeTestServices: true })("interleavings", (it) => {
  it.effect(
    `of ${wanted} of ${all.length ** 2 * 3} end as the conflict matrix says (INTERLEAVINGS_SEED=${seed})`,
    () =>
      Effect.gen(function* () {
        const admin = yield* Shared.wire()
        for (const sql of definitions) yield* tells(admin, sql, sql.split(" ", 2).join(" "))
        const [one, two] = [yield* Shared.wire(), yield* Shared.wire()]
        const tries = all.flatMap((first) =>
          all.flatMap((second) => Object.entries(schedules).map(([name, order]) => ({ first, second, name, order })))
        )
        const chosen =
          wanted === "all"
            ? tries
            : Array.from({ length: Number(wanted) }, () => tries[Math.floor(random() * tries.length)]).flatMap(
                (each) => each ?? []
              )
        const wrong: Array<string> = []
        let row = 0
        for (const { first, name, order, second } of chosen) {
          const [a, b] = [++row, ++row]
          const on = ({ sql }: Kind) => sql.replaceAll("{1}", String(a)).replaceAll("{2}", String(b))
          yield* tells(admin, `INSERT INTO t VALUES (${a}, ${a}, 0), (${b}, ${b}, 0)`, "INSERT 0 2")
          yield* tells(one, "BEGIN", "BEGIN")
          yield* tells(two, "BEGIN", "BEGIN")
          const said: Array<string> = []
          for (const step of order) {
            if (step === "first") said.push(yield* ask(one, on(first)))
            if (step === "second") said.push(yield* ask(two, on(second)))
            if (step === "commit") said.push(yield* ask(one, "COMMIT"))
          }
          said.push(yield* ask(two, "COMMIT"))
          const expected = loses(first.marks, second.marks) ? conflict : "COMMIT"
          const [told, ...before] = said.toReversed()
          const isRight = told === expected && !before.some((word) => /^\d/.test(word))
          // What a function or a view comes to is told at once: CONFORMANCE.md.
          const isEarly = told === "ROLLBACK" && expected === conflict && said.at(-2) === conflict
          if (!isRight && !(isEarly && reachesThrough.test(second.sql))) {
            wrong.push(`${first.sql} | ${second.sql} | ${name}: ${said.join(" | ")}, not ${expected}`)
          }
          yield* ask(admin, "DELETE FROM c")
          yield* ask(admin, "DELETE FROM t")
        }
        assert.deepStrictEqual(wrong, [])
      }),
    3_600_000
  )
})
