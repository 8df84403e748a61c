import { layer } from "@effect/vitest"
import { Effect, Fiber, type Scope } from "effect"
import * as Shared from "./shared.ts"
import { ask, conflict, gives, rows, tells } from "./wireClient.ts"

/**
 * Martin Kleppmann's Hermitage, with the outcomes that were published for Aurora DSQL: everything up to G-single and
 * P4 is prevented, write skew (G2-item, G2) is not.
 */
layer(Shared.layer(), { excludeTestServices: true })("isolation", (it) => {
  const table = Effect.gen(function* () {
    const admin = yield* Shared.wire()
    yield* admin.query("CREATE TABLE IF NOT EXISTS test (id int PRIMARY KEY, value int)")
    yield* tells(admin, "SELECT 1", "SELECT 1")
    yield* admin.query("DELETE FROM test")
    yield* tells(admin, "INSERT INTO test (id, value) VALUES (1, 10), (2, 20)", "INSERT 0 2")
    return admin
  })

  const scenario = (name: string, body: Effect.Effect<void, never, Shared.Shared | Scope.Scope>) =>
    it.effect(name, () => Effect.scoped(body))

  for (const begin of ["BEGIN", "BEGIN READ ONLY", "START TRANSACTION"]) {
    scenario(
      `${begin} takes the snapshot, however late the first statement comes`,
      Effect.gen(function* () {
        const admin = yield* table
        const one = yield* Shared.wire()
        yield* ask(one, begin)
        yield* tells(admin, "UPDATE test SET value = 11 WHERE id = 1", "UPDATE 1")
        yield* gives(one, "SELECT value FROM test WHERE id = 1", [["10"]])
        yield* tells(one, "COMMIT", "COMMIT")
        yield* ask(one, begin.replace(" READ ONLY", ""))
        yield* tells(admin, "UPDATE test SET value = 12 WHERE id = 1", "UPDATE 1")
        yield* tells(one, "UPDATE test SET value = 13 WHERE id = 1", "UPDATE 1")
        yield* tells(one, "COMMIT", conflict)
      })
    )
  }

  const commits = {
    "a statement": ["UPDATE test SET value = 11 WHERE id = 1"],
    "a transaction": ["BEGIN", "UPDATE test SET value = 11 WHERE id = 1", "COMMIT"],
    "a message": ["UPDATE test SET value = 11 WHERE id = 1; SELECT 1"]
  }
  for (const [what, statements] of Object.entries(commits)) {
    scenario(
      `whoever is told of BEGIN sees no later commit of ${what}, however slow PostgreSQL is to take the snapshot`,
      Effect.gen(function* () {
        const admin = yield* table
        const [one, two] = [yield* Shared.wire(), yield* Shared.wire()]
        const [row] = yield* rows(one, "SELECT pg_backend_pid()")
        const pid = Number(row?.[0])
        yield* Effect.acquireUseRelease(
          Effect.sync(() => process.kill(pid, "SIGSTOP")),
          () =>
            Effect.gen(function* () {
              yield* tells(one, "BEGIN", "BEGIN")
              const commit = yield* Effect.forkChild(Effect.forEach(statements, (sql) => ask(two, sql)))
              // As long as it takes them, and longer.
              for (let n = 0; n < 20; n++) yield* gives(admin, "SELECT value FROM test WHERE id = 1", [["10"]])
              return commit
            }),
          () => Effect.sync(() => process.kill(pid, "SIGCONT"))
        ).pipe(Effect.flatMap(Fiber.join))
        yield* gives(one, "SELECT value FROM test WHERE id = 1", [["10"]])
        yield* gives(admin, "SELECT value FROM test WHERE id = 1", [["11"]])
      })
    )
  }

  scenario(
    "G0: write cycles are prevented",
    Effect.gen(function* () {
      const admin = yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* tells(one, "UPDATE test SET value = 11 WHERE id = 1", "UPDATE 1")
      yield* tells(two, "UPDATE test SET value = 12 WHERE id = 1", "UPDATE 1")
      yield* tells(one, "UPDATE test SET value = 21 WHERE id = 2", "UPDATE 1")
      yield* tells(one, "COMMIT", "COMMIT")
      yield* gives(admin, "SELECT * FROM test ORDER BY id", [
        ["1", "11"],
        ["2", "21"]
      ])
      yield* tells(two, "UPDATE test SET value = 22 WHERE id = 2", "UPDATE 1")
      yield* tells(two, "COMMIT", conflict)
      yield* gives(admin, "SELECT * FROM test ORDER BY id", [
        ["1", "11"],
        ["2", "21"]
      ])
    })
  )

  scenario(
    "G1a: aborted reads are prevented",
    Effect.gen(function* () {
      yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* tells(one, "UPDATE test SET value = 101 WHERE id = 1", "UPDATE 1")
      yield* gives(two, "SELECT * FROM test ORDER BY id", [
        ["1", "10"],
        ["2", "20"]
      ])
      yield* tells(one, "ROLLBACK", "ROLLBACK")
      yield* gives(two, "SELECT * FROM test ORDER BY id", [
        ["1", "10"],
        ["2", "20"]
      ])
      yield* tells(two, "COMMIT", "COMMIT")
    })
  )

  scenario(
    "G1b: intermediate reads are prevented",
    Effect.gen(function* () {
      yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* tells(one, "UPDATE test SET value = 101 WHERE id = 1", "UPDATE 1")
      yield* gives(two, "SELECT value FROM test WHERE id = 1", [["10"]])
      yield* tells(one, "UPDATE test SET value = 11 WHERE id = 1", "UPDATE 1")
      yield* tells(one, "COMMIT", "COMMIT")
      yield* gives(two, "SELECT value FROM test WHERE id = 1", [["10"]])
      yield* tells(two, "COMMIT", "COMMIT")
    })
  )

  scenario(
    "G1c: circular information flow is prevented",
    Effect.gen(function* () {
      yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* tells(one, "UPDATE test SET value = 11 WHERE id = 1", "UPDATE 1")
      yield* tells(two, "UPDATE test SET value = 22 WHERE id = 2", "UPDATE 1")
      yield* gives(one, "SELECT value FROM test WHERE id = 2", [["20"]])
      yield* gives(two, "SELECT value FROM test WHERE id = 1", [["10"]])
      yield* tells(one, "COMMIT", "COMMIT")
      yield* tells(two, "COMMIT", "COMMIT")
    })
  )

  scenario(
    "OTV: observed transactions do not vanish",
    Effect.gen(function* () {
      yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* tells(one, "UPDATE test SET value = 11 WHERE id = 1", "UPDATE 1")
      yield* tells(one, "UPDATE test SET value = 19 WHERE id = 2", "UPDATE 1")
      yield* tells(two, "UPDATE test SET value = 12 WHERE id = 1", "UPDATE 1")
      yield* tells(one, "COMMIT", "COMMIT")
      const three = yield* Shared.begun
      yield* gives(three, "SELECT value FROM test WHERE id = 1", [["11"]])
      yield* tells(two, "UPDATE test SET value = 18 WHERE id = 2", "UPDATE 1")
      yield* gives(three, "SELECT value FROM test WHERE id = 2", [["19"]])
      yield* tells(two, "COMMIT", conflict)
      yield* gives(three, "SELECT value FROM test ORDER BY id", [["11"], ["19"]])
      yield* tells(three, "COMMIT", "COMMIT")
    })
  )

  scenario(
    "PMP: predicates with many preceders are prevented for reads",
    Effect.gen(function* () {
      yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* gives(one, "SELECT * FROM test WHERE value = 30", [])
      yield* tells(two, "INSERT INTO test (id, value) VALUES (3, 30)", "INSERT 0 1")
      yield* tells(two, "COMMIT", "COMMIT")
      yield* gives(one, "SELECT * FROM test WHERE value % 3 = 0", [])
      yield* tells(one, "COMMIT", "COMMIT")
    })
  )

  scenario(
    "PMP: predicates with many preceders are prevented for writes",
    Effect.gen(function* () {
      yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* tells(one, "UPDATE test SET value = value + 10", "UPDATE 2")
      yield* tells(two, "DELETE FROM test WHERE value = 20", "DELETE 1")
      yield* tells(one, "COMMIT", "COMMIT")
      yield* gives(two, "SELECT * FROM test ORDER BY id", [["1", "10"]])
      yield* tells(two, "COMMIT", conflict)
    })
  )

  scenario(
    "P4: lost updates are prevented",
    Effect.gen(function* () {
      yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* gives(one, "SELECT value FROM test WHERE id = 1", [["10"]])
      yield* gives(two, "SELECT value FROM test WHERE id = 1", [["10"]])
      yield* tells(one, "UPDATE test SET value = 11 WHERE id = 1", "UPDATE 1")
      yield* tells(two, "UPDATE test SET value = 11 WHERE id = 1", "UPDATE 1")
      yield* tells(one, "COMMIT", "COMMIT")
      yield* tells(two, "COMMIT", conflict)
    })
  )

  scenario(
    "G-single: read skew is prevented",
    Effect.gen(function* () {
      yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* gives(one, "SELECT value FROM test WHERE id = 1", [["10"]])
      yield* gives(two, "SELECT value FROM test ORDER BY id", [["10"], ["20"]])
      yield* tells(two, "UPDATE test SET value = 12 WHERE id = 1", "UPDATE 1")
      yield* tells(two, "UPDATE test SET value = 18 WHERE id = 2", "UPDATE 1")
      yield* tells(two, "COMMIT", "COMMIT")
      yield* gives(one, "SELECT value FROM test WHERE id = 2", [["20"]])
      yield* tells(one, "COMMIT", "COMMIT")
    })
  )

  scenario(
    "G-single: read skew through predicates is prevented",
    Effect.gen(function* () {
      yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* gives(one, "SELECT id FROM test WHERE value % 5 = 0 ORDER BY id", [["1"], ["2"]])
      yield* tells(two, "UPDATE test SET value = 12 WHERE value = 10", "UPDATE 1")
      yield* tells(two, "COMMIT", "COMMIT")
      yield* gives(one, "SELECT * FROM test WHERE value % 3 = 0", [])
      yield* tells(one, "COMMIT", "COMMIT")
    })
  )

  scenario(
    "G-single: read skew with a write through a predicate is prevented",
    Effect.gen(function* () {
      yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* gives(one, "SELECT value FROM test WHERE id = 1", [["10"]])
      yield* gives(two, "SELECT * FROM test ORDER BY id", [
        ["1", "10"],
        ["2", "20"]
      ])
      yield* tells(two, "UPDATE test SET value = 12 WHERE id = 1", "UPDATE 1")
      yield* tells(two, "UPDATE test SET value = 18 WHERE id = 2", "UPDATE 1")
      yield* tells(two, "COMMIT", "COMMIT")
      yield* tells(one, "DELETE FROM test WHERE value = 20", "DELETE 1")
      yield* tells(one, "COMMIT", conflict)
    })
  )

  scenario(
    "G2-item: write skew is allowed",
    Effect.gen(function* () {
      yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* gives(one, "SELECT value FROM test WHERE id IN (1, 2) ORDER BY id", [["10"], ["20"]])
      yield* gives(two, "SELECT value FROM test WHERE id IN (1, 2) ORDER BY id", [["10"], ["20"]])
      yield* tells(one, "UPDATE test SET value = 11 WHERE id = 1", "UPDATE 1")
      yield* tells(two, "UPDATE test SET value = 21 WHERE id = 2", "UPDATE 1")
      yield* tells(one, "COMMIT", "COMMIT")
      yield* tells(two, "COMMIT", "COMMIT")
    })
  )

  scenario(
    "G2-item: FOR UPDATE on what was read refuses write skew",
    Effect.gen(function* () {
      yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* tells(one, "SELECT value FROM test WHERE id IN (1, 2) FOR UPDATE", "SELECT 2")
      yield* tells(two, "SELECT value FROM test WHERE id IN (1, 2) FOR UPDATE", "SELECT 2")
      yield* tells(one, "UPDATE test SET value = 11 WHERE id = 1", "UPDATE 1")
      yield* tells(two, "UPDATE test SET value = 21 WHERE id = 2", "UPDATE 1")
      yield* tells(one, "COMMIT", "COMMIT")
      yield* tells(two, "COMMIT", conflict)
    })
  )

  scenario(
    "G2: write skew through predicates is allowed",
    Effect.gen(function* () {
      const admin = yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* gives(one, "SELECT * FROM test WHERE value % 3 = 0", [])
      yield* gives(two, "SELECT * FROM test WHERE value % 3 = 0", [])
      yield* tells(one, "INSERT INTO test (id, value) VALUES (3, 30)", "INSERT 0 1")
      yield* tells(two, "INSERT INTO test (id, value) VALUES (4, 42)", "INSERT 0 1")
      yield* tells(one, "COMMIT", "COMMIT")
      yield* tells(two, "COMMIT", "COMMIT")
      yield* gives(admin, "SELECT value FROM test WHERE value % 3 = 0 ORDER BY id", [["30"], ["42"]])
    })
  )

  scenario(
    "G2: a reader between two writers sees a state that no order of them gives, as Fekete showed",
    Effect.gen(function* () {
      yield* table
      const [one, two] = [yield* Shared.begun, yield* Shared.begun]
      yield* gives(one, "SELECT value FROM test ORDER BY id", [["10"], ["20"]])
      yield* tells(two, "UPDATE test SET value = value + 5 WHERE id = 2", "UPDATE 1")
      yield* tells(two, "COMMIT", "COMMIT")
      const three = yield* Shared.begun
      yield* gives(three, "SELECT value FROM test ORDER BY id", [["10"], ["25"]])
      yield* tells(three, "COMMIT", "COMMIT")
      yield* tells(one, "UPDATE test SET value = 0 WHERE id = 1", "UPDATE 1")
      yield* tells(one, "COMMIT", "COMMIT")
    })
  )
})
