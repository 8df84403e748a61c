import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { cluster } from "./support/cluster.ts"
import { tree } from "./support/files.ts"
import { database } from "./support/postgres.ts"
import { start } from "./support/process.ts"
import { call } from "./support/program.ts"

const schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'effect_dsql_probe%'"

/** Questions that plain PostgreSQL answers otherwise: sessions wait there, and it has neither limits nor ASYNC. */
const otherwise: ReadonlyArray<string> = [
  "guarded_race_update",
  "guarded_against_token",
  "row_limit_across_with",
  "transaction_row_limit",
  "lease_taken_below",
  "begin_refused",
  "update_then_update",
  "update_then_key_update",
  "update_then_delete",
  "update_then_for_update",
  "key_update_then_update",
  "key_update_then_key_update",
  "key_update_then_delete",
  "key_update_then_for_update",
  "key_update_then_for_key_share",
  "key_update_then_child",
  "delete_then_update",
  "delete_then_key_update",
  "delete_then_delete",
  "delete_then_for_update",
  "delete_then_for_key_share",
  "delete_then_child",
  "for_update_then_update",
  "for_update_then_key_update",
  "for_update_then_delete",
  "for_update_then_for_update",
  "for_update_then_for_key_share",
  "for_update_then_child",
  "for_key_share_then_key_update",
  "for_key_share_then_delete",
  "for_key_share_then_for_update",
  "child_then_key_update",
  "child_then_delete",
  "child_then_for_update",
  "write_skew_for_update",
  "stale_catalogue",
  "two_ddl",
  "exception_block",
  "commit_in_procedure",
  "index_async"
]

/** Answers in which the emulator is known to differ from what is recorded or claimed. */
const conformance = readFileSync(new URL("../../emulator/CONFORMANCE.md", import.meta.url), "utf8")
const known = new Set(
  conformance
    .split("\n")
    .filter((line) => /^\| `(?:F\d|q_lateral|create_function)|^Disputed/.test(line))
    .flatMap((line) => line.match(/F\d{3}|q_\w+|create_function_plpgsql/g) ?? [])
    // An index that is not valid yet: the jobs of the tests' cluster take 20 ms.
    .concat("F154")
)

describe("effect-dsql probe", () => {
  it.live("the emulator answers every question as the toolkit relies on, twice, and keeps nothing of it", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* cluster
      const cwd = yield* tree({})
      const { code, stderr, stdout } = yield* call(["probe", "--quick", "--record", "a.jsonl"], env, { cwd })
      assert.match(stdout, /^[^\n]+: \d+ questions, 0 answered differently\n$/)
      assert.match(stderr, /^asking \d+ questions in schema effect_dsql_probe_[0-9a-f]{12}, which goes afterwards\n$/)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(yield* rows(schemas), [])
      const lines = (yield* Effect.promise(() => readFile(join(cwd, "a.jsonl"), "utf8"))).trimEnd().split("\n")
      assert.include(lines[0], '"id":"setup","group":"setup"')
      const again = yield* call(["probe", "--replay", "a.jsonl"], env, { cwd })
      assert.match(again.stdout, new RegExp(`: ${lines.length} questions, 0 answered differently\\n$`))
    })
  )

  it.live(
    "of what is recorded and known of clusters the emulator answers otherwise only what CONFORMANCE.md names",
    () =>
      Effect.gen(function* () {
        const { env, rows } = yield* cluster
        const { code, stdout } = yield* call(["probe", "--format", "json"], env)
        const { differences, left, unasked } = JSON.parse(stdout)
        assert.deepStrictEqual([code, left, unasked], [1, null, []])
        const ids: ReadonlyArray<string> = differences.map(({ id }: { readonly id: string }) => id)
        assert.isAbove(ids.length, 0)
        assert.deepStrictEqual(
          ids.filter((id) => !known.has(id)),
          []
        )
        assert.deepStrictEqual(yield* rows(schemas), [])
      })
  )

  it.live("plain PostgreSQL answers otherwise what it is known to, and nothing else", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* database
      const { code, stdout } = yield* call(["probe", "--quick", "--format", "json"], env)
      const { differences, engine, left, unasked } = JSON.parse(stdout)
      assert.deepStrictEqual([code, engine, left, unasked], [1, "postgres", null, []])
      const ids: ReadonlyArray<string> = differences.map(({ id }: { readonly id: string }) => id)
      assert.deepStrictEqual([...new Set(ids)], otherwise)
      assert.deepStrictEqual(yield* rows(schemas), [])
    })
  )

  it.live("Ctrl-C in the middle ends it with 130, and the schema goes all the same", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* cluster
      const running = start(["probe"], env)
      assert.include(yield* Effect.promise(() => running.warned), "asking")
      assert.lengthOf(yield* rows(schemas), 1)
      running.kill("SIGINT")
      const { code, stdout } = yield* Effect.promise(() => running.ended)
      assert.deepStrictEqual([code, stdout], [130, ""])
      assert.deepStrictEqual(yield* rows(schemas), [])
    })
  )

  it.live("refuses to ask for no time at all", () =>
    Effect.gen(function* () {
      const { env } = yield* cluster
      const { code, stdout } = yield* call(["probe", "--seconds", "0"], env)
      assert.deepStrictEqual([code, stdout], [2, ""])
    })
  )

  it.live("a file that is no recording is one line, and 2", () =>
    Effect.gen(function* () {
      const { env } = yield* cluster
      const cwd = yield* tree({ "a.jsonl": "{}\n" })
      const { code, stderr } = yield* call(["probe", "--replay", "a.jsonl"], env, { cwd })
      assert.strictEqual(code, 2)
      assert.strictEqual(stderr, "error: a.jsonl:1 is no line of a recording: give one that probe wrote\n")
    })
  )
})
