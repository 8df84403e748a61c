/**
 * What each command prints with `--format json` is its schema in `Json`, no more
 * and no less.
 */
import { Json } from "@effect-dsql/cli"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { cluster } from "./support/cluster.ts"
import { manifest, tree } from "./support/files.ts"
import { call } from "./support/program.ts"

/** Decodes with a schema that leaves nothing over, and gives what was printed. */
const decoded = <A, I>(schema: Schema.Codec<A, I>, printed: string) =>
  Effect.gen(function* () {
    const json: unknown = JSON.parse(printed)
    const value = yield* Schema.decodeUnknownEffect(schema)(json, { onExcessProperty: "error" })
    assert.deepStrictEqual(JSON.parse(JSON.stringify(yield* Schema.encodeEffect(schema)(value))), json)
    return value
  })

describe("--format json", () => {
  it.live("of every command that connects decodes with its schema", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* cluster
      const cwd = yield* tree({
        "v1.0/manifest.json": manifest("1.0"),
        "v1.0/a.sql": "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER);\nCREATE UNIQUE INDEX ASYNC a_n ON a (n);"
      })
      const json = (...args: ReadonlyArray<string>) => call([...args, "--format", "json"], env, { cwd })
      const here = ["--schema-dir", "."]
      const bare = yield* decoded(Json.Status, (yield* json("status", ...here)).stdout)
      assert.strictEqual(bare.state, "not-set-up")
      const plan = yield* decoded(Json.Plan, (yield* json("plan", ...here)).stdout)
      assert.deepStrictEqual(
        plan.steps.map(({ action, summary }) => [action, summary]),
        [
          ["run", "CREATE TABLE a"],
          ["run", "CREATE UNIQUE INDEX a_n"]
        ]
      )
      const setup = yield* json("setup", "-f", "v1.0/a.sql", "-v", "1.0")
      assert.strictEqual((yield* decoded(Json.Report, setup.stdout)).to, "1.0")
      assert.isFalse((yield* decoded(Json.Report, (yield* json("update", ...here)).stdout)).changed)
      const fine = yield* json("verify", ...here)
      assert.deepStrictEqual([fine.code, (yield* decoded(Json.Verification, fine.stdout)).differences], [0, []])
      const history = yield* decoded(Json.History, (yield* json("history")).stdout)
      assert.deepStrictEqual([history.statements.length, history.changes.length], [2, 1])
      yield* rows("DROP INDEX a_n")
      yield* rows("INSERT INTO a VALUES (1, 1), (2, 1)")
      yield* rows("CREATE UNIQUE INDEX ASYNC a_n ON a (n)")
      const repair = yield* json("repair", "--rebuild", ...here)
      assert.strictEqual(repair.code, 1, repair.stderr)
      const broken = yield* json("verify", ...here)
      assert.deepStrictEqual(
        [broken.code, (yield* decoded(Json.Verification, broken.stdout)).differences],
        [1, [{ _tag: "IndexInvalid", table: "a", index: "a_n" }]]
      )
      yield* rows("DELETE FROM a WHERE id = 2")
      const repaired = yield* json("repair", "--rebuild", ...here)
      const { indexes } = yield* decoded(Json.Repair, repaired.stdout)
      assert.deepStrictEqual(
        [repaired.code, indexes.map(({ index, rebuilt }) => [index, rebuilt])],
        [0, [["a_n", true]]]
      )
      const doctor = yield* json("doctor")
      const { checks } = yield* decoded(Json.Diagnosis, doctor.stdout)
      assert.deepStrictEqual(
        [doctor.code, checks.map(({ check, result }) => `${check} ${result}`)],
        [0, ["token skipped", "network ok", "tls ok", "role ok", "version ok", "clock ok", "guarded ok", "limits ok"]]
      )
      const failed = yield* json("update", "-v", "9.9", ...here)
      assert.strictEqual((yield* decoded(Json.Failed, failed.stderr)).error.tag, "UnknownVersion")
    })
  )

  it.live("of baseline is a report, after the catalogue was found to be right", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* cluster
      const cwd = yield* tree({
        "v1.0/manifest.json": manifest("1.0"),
        "v1.0/a.sql": "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER);"
      })
      const baseline = call(["baseline", "--schema-dir", ".", "--format", "json"], env, { cwd })
      yield* rows("CREATE TABLE a (id INTEGER PRIMARY KEY)")
      const refused = yield* baseline
      const { error } = yield* decoded(Json.Failed, refused.stderr)
      assert.deepStrictEqual([refused.code, error.tag], [1, "CatalogueDiffers"])
      assert.include(error.message, "column a.n is missing: expected integer")
      yield* rows("ALTER TABLE a ADD COLUMN n INTEGER")
      assert.strictEqual((yield* decoded(Json.Report, (yield* baseline).stdout)).to, "1.0")
    })
  )

  it.live("of lint decodes with its schema", () =>
    Effect.gen(function* () {
      const { stdout } = yield* call(["lint", "--format", "json", "-"], {}, { input: "TRUNCATE t;" })
      const { findings } = yield* decoded(Json.Lint, stdout)
      assert.deepStrictEqual(
        findings.map(({ rule }) => rule),
        ["truncate"]
      )
    })
  )
})
