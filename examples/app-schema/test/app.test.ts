import { DsqlClient } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { call } from "../../../packages/cli/test/support/program.ts"
import { clusterDatabase } from "../../../test/database.ts"
import { directory } from "../src/Schema.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

/** Runs the application, and gives what it printed. */
const run = (args: ReadonlyArray<string>, url: string) =>
  Effect.promise(
    () =>
      new Promise<string>((resolve, reject) => {
        const env = { PATH: process.env["PATH"], DSQL_URL: url }
        execFile(process.execPath, [main, ...args], { env }, (error, stdout, stderr) =>
          error === null ? resolve(stdout) : reject(new Error(`${stdout}${stderr}`))
        )
      })
  )

describe("an application with a schema of its own", () => {
  it.live("migrates when it starts, once of two that start together", () =>
    Effect.gen(function* () {
      const url = Redacted.value(yield* clusterDatabase)
      yield* Effect.all(
        ["ada", "bob"].map((name) => run([`${name}@example.org`, name], url)),
        { concurrency: "unbounded" }
      )
      const journal = yield* Effect.flatMap(
        DsqlClient.DsqlClient,
        ({ sql }) => sql<{ readonly owners: bigint; readonly open: bigint }>`
            SELECT count(DISTINCT owner) AS owners, count(*) FILTER (WHERE finished_at IS NULL) AS open
            FROM schema_journal`
      ).pipe(Effect.provide(DsqlClient.layerUrl({ url: Redacted.make(url) })))
      assert.deepStrictEqual(journal, [{ owners: 1n, open: 0n }])
      assert.include(yield* run(["eve@example.org", "Eve"], url), "3 accounts")
    })
  )

  it.live("is migrated from the command line, and its rows stay", () =>
    Effect.gen(function* () {
      const { hostname, pathname, port, username } = new URL(Redacted.value(yield* clusterDatabase))
      const env = { SQL_HOST: hostname, SQL_PORT: port, SQL_USER: username, SQL_DATABASE: pathname.slice(1) }
      const type = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const { code, stderr, stdout } = yield* call([...args, "--db-name", "app"], env)
        assert.strictEqual(code, 0, stderr)
        return stdout
      })
      yield* type("setup-schema", "--version", "0.0")
      assert.include(yield* type("update-schema", "-d", directory, "-v", "1.0"), "is at 1.0, it was at 0.0")
      assert.include(yield* type("update-schema", "-d", directory), "is at 1.1, it was at 1.0")
    })
  )
})
