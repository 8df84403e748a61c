import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Shared from "./shared.ts"

const arn = "arn:aws:iam::111122223333:role/app"

layer(Shared.layer(), { excludeTestServices: true })("AWS IAM GRANT", (it) => {
  it.effect("maps an identity to a role until it is revoked, and the role cannot be dropped meanwhile", () =>
    Effect.gen(function* () {
      const admin = yield* Shared.wire()
      const mappings = Effect.map(
        admin.query("SELECT arn, pg_role_name, grantor_pg_role_name FROM sys.iam_pg_role_mappings"),
        ({ results }) => results[0]?.rows
      )
      yield* admin.query("CREATE ROLE mapped WITH LOGIN")
      const granted = yield* admin.query(`AWS IAM GRANT mapped TO '${arn}'`)
      assert.deepInclude(granted.results[0], { tag: "GRANT ROLE", rows: null })
      assert.deepStrictEqual(yield* mappings, [[arn, "mapped", "admin"]])
      assert.strictEqual((yield* admin.query("DROP ROLE mapped")).error?.sqlstate, "2BP01")

      assert.strictEqual((yield* admin.query(`AWS IAM REVOKE mapped FROM '${arn}'`)).results[0]?.tag, "REVOKE ROLE")
      assert.deepStrictEqual(yield* mappings, [])
      assert.strictEqual((yield* admin.query(`AWS IAM REVOKE mapped FROM '${arn}'`)).error?.sqlstate, "42704")
      assert.strictEqual((yield* admin.query("DROP ROLE mapped")).error, undefined)
    })
  )

  it.effect("is DDL of its own transaction, of admin alone, for roles that are there", () =>
    Effect.gen(function* () {
      const admin = yield* Shared.wire()
      yield* admin.query("CREATE ROLE mapping WITH LOGIN")
      yield* admin.query("BEGIN")
      yield* admin.query(`AWS IAM GRANT mapping TO '${arn}'`)
      assert.strictEqual((yield* admin.query("CREATE TABLE beside (id int PRIMARY KEY)")).error?.sqlstate, "0A000")
      yield* admin.query("ROLLBACK")
      assert.strictEqual((yield* admin.query(`AWS IAM GRANT nobody TO '${arn}'`)).error?.sqlstate, "42704")

      const other = yield* Shared.wire({ user: "mapping" })
      assert.strictEqual((yield* other.query(`AWS IAM GRANT mapping TO '${arn}'`)).error?.sqlstate, "42501")
      const seen = yield* other.query("SELECT arn FROM sys.iam_pg_role_mappings WHERE pg_role_name = 'mapping'")
      assert.deepStrictEqual(seen.results[0]?.rows, [])
    })
  )
})
