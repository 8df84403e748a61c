import { DsqlClient } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { clusterDatabase } from "../../../test/database.ts"
import { directory } from "../src/Schema.ts"

/** Runs a program of the repository, and gives what it printed. */
const run = (path: string, args: ReadonlyArray<string>, url: string) =>
  Effect.promise(
    () =>
      new Promise<string>((resolve, reject) => {
        const file = fileURLToPath(new URL(path, import.meta.url))
        const { hostname, pathname, port, username } = new URL(url)
        const env = {
          PATH: process.env["PATH"],
          DSQL_URL: url,
          SQL_HOST: hostname,
          SQL_PORT: port,
          SQL_USER: username,
          SQL_DATABASE: pathname.slice(1)
        }
        execFile(process.execPath, [file, ...args], { env }, (error, stdout, stderr) =>
          error === null ? resolve(stdout) : reject(new Error(`${stdout}${stderr}`))
        )
      })
  )

describe("an application with a schema of its own", () => {
  it.live(
    "migrates when it starts, once of two that start together",
    () =>
      Effect.gen(function* () {
        const url = Redacted.value(yield* clusterDatabase)
        yield* Effect.all(
          ["ada", "bob"].map((name) => run("../src/main.ts", [`${name}@example.org`, name], url)),
          { concurrency: "unbounded" }
        )
        const journal = yield* Effect.flatMap(
          DsqlClient.DsqlClient,
          ({ sql }) => sql<{ readonly owners: bigint; readonly open: bigint }>`
            SELECT count(DISTINCT owner) AS owners, count(*) FILTER (WHERE finished_at IS NULL) AS open
            FROM schema_journal`
        ).pipe(Effect.provide(DsqlClient.layerUrl({ url: Redacted.make(url) })))
        assert.deepStrictEqual(journal, [{ owners: 1n, open: 0n }])
        assert.include(yield* run("../src/main.ts", ["eve@example.org", "Eve"], url), "3 accounts")
      }),
    { timeout: 120_000 }
  )

  it.live(
    "is migrated from the command line, and its rows stay",
    () =>
      Effect.gen(function* () {
        const url = Redacted.value(yield* clusterDatabase)
        const cli = "../../../packages/cli/src/bin.ts"
        yield* run(cli, ["setup-schema", "--version", "0.0", "--db-name", "app"], url)
        const first = yield* run(cli, ["update-schema", "--db-name", "app", "-d", directory, "-v", "1.0"], url)
        assert.include(first, "is at 1.0, it was at 0.0")
        const second = yield* run(cli, ["update-schema", "--db-name", "app", "-d", directory], url)
        assert.include(second, "is at 1.1, it was at 1.0")
      }),
    { timeout: 120_000 }
  )
})
