/**
 * In which form a server takes guarded writes, as `doctor` finds out.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { connect, createServer, type Socket } from "node:net"
import { cluster } from "./support/cluster.ts"
import { tree } from "./support/files.ts"
import type { Variables } from "./support/process.ts"
import { call } from "./support/program.ts"

/** The way to a server that does not know a keyword: it is another word by the time that it arrives. */
const ignorantOf = (keyword: string, env: Variables) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
        const sockets = new Set<Socket>()
        const listener = createServer((client) => {
          const server = connect(Number(env["SQL_PORT"]), "127.0.0.1")
          for (const socket of [client, server]) sockets.add(socket.on("error", () => socket.destroy()))
          client.on("data", (chunk: Buffer) => {
            const text = chunk.toString("latin1").replaceAll(keyword, keyword.replaceAll(/./g, "x"))
            server.write(Buffer.from(text, "latin1"))
          })
          server.pipe(client)
          client.on("close", () => server.destroy())
        })
        listener.listen(0, "127.0.0.1", () => {
          const address = listener.address()
          const close = () => {
            listener.close()
            for (const socket of sockets) socket.destroy()
          }
          resume(Effect.succeed({ port: typeof address === "object" && address !== null ? address.port : 0, close }))
        })
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ port }): Variables => ({ ...env, SQL_HOST: "127.0.0.1", SQL_PORT: String(port) })
  )

const guarded = (stdout: string) => stdout.split("\n").find((line) => line.includes("guarded"))

describe("doctor", () => {
  it.live("says which form of guarded writes the server takes, and what to set where it refuses one statement", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* cluster
      const cwd = yield* tree({ "a.sql": "CREATE TABLE a (id INTEGER PRIMARY KEY);" })
      const untold = yield* call(["doctor"], env)
      assert.deepStrictEqual(
        [untold.code, guarded(untold.stdout)],
        [0, "skipped  guarded  cannot tell before a schema is set up: it is tried on the tables of its version"]
      )
      const setup = yield* call(["setup", "-f", "a.sql", "-v", "1.0"], env, { cwd })
      assert.strictEqual(setup.code, 0, setup.stderr)
      const books = `SELECT (SELECT array_agg(l::text) FROM schema_lease l) AS lease,
          (SELECT array_agg(j::text) FROM schema_journal j) AS journal`
      const before = yield* rows(books)
      const taken = yield* call(["doctor"], env)
      assert.deepStrictEqual([taken.code, guarded(taken.stdout)], [0, "ok       guarded  taken as one statement"])
      const ignorant = yield* ignorantOf("MATERIALIZED", env)
      const refused = yield* call(["doctor"], ignorant)
      assert.strictEqual(refused.code, 1)
      assert.match(
        guarded(refused.stdout) ?? "",
        /^failed {3}guarded {2}not taken as one statement: syntax error .*: set DSQL_GUARDED=transaction for every program/
      )
      const set = yield* call(["doctor"], { ...ignorant, DSQL_GUARDED: "transaction" })
      assert.strictEqual(set.code, 0, set.stdout)
      assert.match(guarded(set.stdout) ?? "", /^ok .* DSQL_GUARDED=transaction is set$/)
      assert.deepStrictEqual(yield* rows(books), before)
    })
  )

  it.live("refuses a form that there is not", () =>
    Effect.gen(function* () {
      const { env } = yield* cluster
      assert.deepStrictEqual(yield* call(["doctor"], { ...env, DSQL_GUARDED: "both" }), {
        code: 2,
        stdout: "",
        stderr: 'error: DSQL_GUARDED "both" is no form: set it to statement or transaction\n'
      })
    })
  )
})
