/**
 * Every command in the documentation runs, as a reader would type it.
 *
 * The `sh` blocks of a page run one after the other in one directory, against a
 * database of their own on the emulated Aurora DSQL, which the environment
 * names as `docs/configuration.md` says. A block fails where any of its
 * commands does. `docs/getting-started.md` begins with an installation, so
 * `published.test.ts` follows it, and `docs/retrying.md` with a simulation whose
 * figures `retrying.test.ts` compares.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { spawn } from "node:child_process"
import { chmodSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { call } from "../packages/cli/test/support/program.ts"
import { clusterDatabase } from "./database.ts"
import { blocksOf, read, root } from "./pages.ts"

const pages = globSync("docs/**/*.md", { cwd: root })
  .filter((page) => !["docs/getting-started.md", "docs/retrying.md"].includes(page))
  .toSorted()
  .map((page) => [page, commandsOf(page)] as const)
  .filter(([, blocks]) => blocks.length > 0)

/** The shell blocks of a page, in order. */
function commandsOf(page: string): ReadonlyArray<string> {
  return blocksOf(read(page)).flatMap(({ language, text }) => (language === "sh" ? [text] : []))
}

/** What somebody types after `effect-dsql`, and where. */
const Typed = Schema.fromJsonString(
  Schema.Struct({
    args: Schema.Array(Schema.String),
    cwd: Schema.String,
    env: Schema.Record(Schema.String, Schema.String)
  })
)

/** Asks whoever listens at a path for what somebody types, and prints the answer. */
const asking = (path: string) => `#!${process.execPath}
const { text } = require("node:stream/consumers")
const socket = require("node:net").connect(${JSON.stringify(path)})
socket.end(JSON.stringify({ args: process.argv.slice(2), cwd: process.cwd(), env: process.env }))
text(socket).then((answer) => {
  const { code, stderr, stdout } = JSON.parse(answer)
  process.stdout.write(stdout)
  process.stderr.write(stderr)
  process.exitCode = code
})
`

/**
 * A directory with nothing in it but the command line, which goes on PATH. It is called here, where it is loaded once;
 * `program.test.ts` compares that with a process of it.
 */
const directory = Effect.gen(function* () {
  const path = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "documents-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )
  const listening = join(path, ".listening")
  yield* Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer({ allowHalfOpen: true }, async (socket) => {
        const { args, cwd, env } = Schema.decodeUnknownSync(Typed)(await text(socket))
        socket.end(JSON.stringify(await Effect.runPromise(call(args, env, { cwd }))))
      })
      server.listen(listening, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  const bin = join(path, "effect-dsql")
  writeFileSync(bin, asking(listening))
  chmodSync(bin, 0o755)
  return path
})

const run = (block: string, cwd: string, env: Readonly<Record<string, string>>) =>
  Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
    const child = spawn("sh", ["-eu", "-c", block], { cwd, env, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => (output += chunk))
    }
    child.once("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.sync(() => child.kill())
  })

layer(Layer.empty, { excludeTestServices: true })("the commands in the documentation", (it) => {
  it.effect.each(pages)("of %s run as they are written", ([, blocks]) =>
    Effect.gen(function* () {
      const cwd = yield* directory
      const url = new URL(Redacted.value(yield* clusterDatabase))
      const env = {
        PATH: `${cwd}:${process.env["PATH"] ?? ""}`,
        HOME: cwd,
        SQL_HOST: url.hostname,
        SQL_PORT: url.port,
        SQL_USER: decodeURIComponent(url.username),
        SQL_PASSWORD: decodeURIComponent(url.password),
        SQL_DATABASE: url.pathname.slice(1)
      }
      for (const block of blocks) {
        const { code, output } = yield* run(block, cwd, env)
        assert.strictEqual(code, 0, `${block}\n${output}`)
      }
    })
  )
})
