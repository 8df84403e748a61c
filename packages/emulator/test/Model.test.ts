import { assert, layer } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import * as fc from "fast-check"
import * as Shared from "./shared.ts"
import { ask, conflict, type WireClient } from "./wireClient.ts"

/**
 * Snapshot isolation with first-committer-wins, in the few lines that it takes when there is only one thread: what
 * the emulator has to agree with in every interleaving.
 */
type Mark = "non-key" | "key" | "for update" | "key share"

interface Commit {
  readonly rows: ReadonlyMap<number, number>
  readonly marks: ReadonlyMap<number, ReadonlySet<Mark>>
}

interface Open {
  readonly snapshot: number
  readonly rows: Map<number, number>
  readonly marks: Map<number, Set<Mark>>
  failed: boolean
}

const collide = (a: Mark, b: Mark): boolean =>
  !(a === "key share" && (b === "key share" || b === "non-key")) && !(a === "non-key" && b === "key share")

const operations = ["read", "update", "insert", "delete", "for update", "for key share", "upsert"] as const
type Operation = (typeof operations)[number]
type Operate = { readonly session: number; readonly does: Operation; readonly key: number; readonly value: number }
type Step = { readonly session: number; readonly does: "begin" | "commit" | "rollback" } | Operate

const sqlOf = (step: Step): string => {
  switch (step.does) {
    case "begin":
    case "commit":
    case "rollback":
      return step.does.toUpperCase()
    case "read":
      return "SELECT id, v FROM m ORDER BY id"
    case "update":
      return `UPDATE m SET v = ${step.value} WHERE id = ${step.key}`
    case "insert":
      return `INSERT INTO m VALUES (${step.key}, ${step.value})`
    case "upsert":
      return `INSERT INTO m VALUES (${step.key}, ${step.value}) ON CONFLICT (id) DO UPDATE SET v = excluded.v`
    case "delete":
      return `DELETE FROM m WHERE id = ${step.key}`
    case "for update":
      return `SELECT v FROM m WHERE id = ${step.key} FOR UPDATE`
    case "for key share":
      return `SELECT v FROM m WHERE id = ${step.key} FOR KEY SHARE`
  }
}

const aborted = "25P02 current transaction is aborted, commands ignored until end of transaction block"
const duplicate = '23505 duplicate key value violates unique constraint "m_pkey"'

const makeModel = (initial: ReadonlyMap<number, number>) => {
  const commits: Array<Commit> = [{ rows: initial, marks: new Map() }]
  const open = new Map<number, Open>()
  const latest = () => commits[commits.length - 1]?.rows ?? initial

  /** A transaction begins with its snapshot. */
  const begun = (): Open => ({
    snapshot: commits.length - 1,
    rows: new Map(latest()),
    marks: new Map(),
    failed: false
  })

  /** Others inserted the key and deleted it again since the snapshot: CONFORMANCE.md. */
  const isForgotten = (transaction: Open, key: number): boolean =>
    !latest().has(key) && commits[transaction.snapshot]?.rows.has(key) === false

  const loses = (transaction: Open): boolean =>
    commits
      .slice(transaction.snapshot + 1)
      .some((commit) =>
        [...transaction.marks].some(
          ([key, marks]) =>
            !isForgotten(transaction, key) &&
            [...marks].some((a) => [...(commit.marks.get(key) ?? [])].some((b) => collide(a, b)))
        )
      )

  const finish = (transaction: Open): string => {
    if (transaction.marks.size === 0) return "COMMIT"
    if (loses(transaction)) return conflict
    const rows = new Map(latest())
    for (const [key, marks] of transaction.marks) {
      const value = transaction.rows.get(key)
      if (!marks.has("non-key") && !marks.has("key")) continue
      if (value === undefined) rows.delete(key)
      else rows.set(key, value)
    }
    commits.push({ rows, marks: transaction.marks })
    return "COMMIT"
  }

  const operate = (transaction: Open, step: Operate): string => {
    const has = transaction.rows.has(step.key)
    const mark = (mark: Mark) => {
      const marks = transaction.marks.get(step.key) ?? new Set()
      transaction.marks.set(step.key, marks.add(mark))
    }
    switch (step.does) {
      case "read":
        return `SELECT ${transaction.rows.size}`
      case "update":
        if (has) {
          mark("non-key")
          transaction.rows.set(step.key, step.value)
        }
        return `UPDATE ${has ? 1 : 0}`
      case "delete":
        if (has) {
          mark("key")
          transaction.rows.delete(step.key)
        }
        return `DELETE ${has ? 1 : 0}`
      case "for update":
        if (has) mark("for update")
        return `SELECT ${has ? 1 : 0}`
      case "for key share":
        if (has) mark("key share")
        return `SELECT ${has ? 1 : 0}`
      case "insert":
        if (has) return duplicate
        mark("key")
        transaction.rows.set(step.key, step.value)
        return "INSERT 0 1"
      case "upsert":
        mark(has ? "non-key" : "key")
        transaction.rows.set(step.key, step.value)
        return "INSERT 0 1"
    }
  }

  const expected = (step: Step): string => {
    const transaction = open.get(step.session)
    if (step.does === "begin") {
      if (transaction?.failed === true) return aborted
      if (transaction === undefined) open.set(step.session, begun())
      return "BEGIN"
    }
    if (!("key" in step)) {
      open.delete(step.session)
      if (step.does === "rollback" || transaction?.failed === true) return "ROLLBACK"
      return transaction === undefined ? "COMMIT" : finish(transaction)
    }
    if (transaction?.failed === true) return aborted
    if (transaction !== undefined) {
      const told = operate(transaction, step)
      transaction.failed = told === duplicate
      return told
    }
    const alone = begun()
    const told = operate(alone, step)
    if (told !== duplicate) finish(alone)
    return told
  }

  /** Deletes a row that the same transaction has updated: CONFORMANCE.md says what the emulator does not see then. */
  const isBlind = (step: Step): boolean =>
    step.does === "delete" && open.get(step.session)?.marks.get(step.key)?.has("non-key") === true

  return { expected, isBlind, rows: latest }
}

const sessions = 3
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ session: fc.nat(sessions - 1), does: fc.constant("begin" as const) }) },
  { weight: 2, arbitrary: fc.record({ session: fc.nat(sessions - 1), does: fc.constant("commit" as const) }) },
  { weight: 1, arbitrary: fc.record({ session: fc.nat(sessions - 1), does: fc.constant("rollback" as const) }) },
  {
    weight: 10,
    arbitrary: fc.record({
      session: fc.nat(sessions - 1),
      does: fc.constantFrom(...operations),
      key: fc.integer({ min: 1, max: 3 }),
      value: fc.nat(99)
    })
  }
)

layer(Shared.layer({ log: false }), { excludeTestServices: true })("the model", (it) => {
  it.effect("agrees with the emulator in every interleaving of three sessions on three rows", () =>
    Effect.gen(function* () {
      const admin = yield* Shared.wire()
      yield* ask(admin, "CREATE TABLE m (id int PRIMARY KEY, v int)")
      const context = yield* Effect.context<Shared.Shared | Scope.Scope>()
      const clients: Array<WireClient> = []
      for (let n = 0; n < sessions; n++) clients.push(yield* Shared.wire())
      const check = Effect.fnUntraced(function* (steps: ReadonlyArray<Step>) {
        for (const client of clients) yield* ask(client, "ROLLBACK")
        yield* ask(admin, "DELETE FROM m")
        yield* ask(admin, "INSERT INTO m VALUES (1, 0), (2, 0)")
        const model = makeModel(
          new Map([
            [1, 0],
            [2, 0]
          ])
        )
        const told: Array<string> = []
        const expected: Array<string> = []
        for (const each of [...steps, ...clients.map((_, session) => ({ session, does: "commit" as const }))]) {
          const client = clients[each.session]
          if (client === undefined || model.isBlind(each)) continue
          const line = `${each.session}: ${sqlOf(each)} -> `
          expected.push(line + model.expected(each))
          told.push(line + (yield* ask(client, sqlOf(each))))
        }
        assert.deepStrictEqual(told, expected)
        const { results } = yield* admin.query("SELECT id, v FROM m ORDER BY id")
        const rows = [...model.rows()].toSorted(([a], [b]) => a - b)
        assert.deepStrictEqual(
          results[0]?.rows,
          rows.map(([id, v]) => [String(id), String(v)])
        )
      })
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), (steps) =>
            Effect.runPromise(Effect.provideContext(check(steps), context))
          ),
          {
            seed: Number(process.env["MODEL_SEED"] ?? 20_260_918),
            numRuns: Number(process.env["MODEL_RUNS"] ?? 150),
            endOnFailure: false
          }
        )
      )
    })
  )
})
