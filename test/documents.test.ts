/**
 * Every command in the documentation runs, as a reader would type it.
 *
 * The `sh` blocks of a page run one after the other in one directory, against a
 * database of their own on the emulated Aurora DSQL, which the environment
 * names as `docs/configuration.md` says. A block fails where any of its
 * commands does. `docs/getting-started.md` begins with an installation, so
 * `published.test.ts` follows it.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { spawn } from "node:child_process"
import { chmodSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { clusterDatabase } from "./database.ts"
import { blocksOf, read, root } from "./pages.ts"

const pages = globSync("docs/**/*.md", { cwd: root })
  .filter((page) => page !== "docs/getting-started.md")
  .toSorted()
  .map((page) => [page, commandsOf(page)] as const)
  .filter(([, blocks]) => blocks.length > 0)

const compiled = process.env["NODE_COMPILE_CACHE"]

/** The shell blocks of a page, in order. */
function commandsOf(page: string): ReadonlyArray<string> {
  return blocksOf(read(page)).flatMap(({ language, text }) => (language === "sh" ? [text] : []))
}

/** A directory with nothing in it but the command line, which goes on PATH. */
const directory = Effect.acquireRelease(
  Effect.sync(() => {
    const path = mkdtempSync(join(tmpdir(), "documents-"))
    const bin = join(path, "effect-dsql")
    writeFileSync(bin, `#!/bin/sh\nexec "${process.execPath}" "${join(root, "packages/cli/src/bin.ts")}" "$@"\n`)
    chmodSync(bin, 0o755)
    return path
  }),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

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
  it.effect.each(pages)(
    "of %s run as they are written",
    ([, blocks]) =>
      Effect.gen(function* () {
        const cwd = yield* directory
        const url = new URL(Redacted.value(yield* clusterDatabase))
        const env = {
          PATH: `${cwd}:${process.env["PATH"] ?? ""}`,
          HOME: cwd,
          // Where the run of all tests keeps what Node has compiled: a page starts dozens of processes.
          ...(compiled !== undefined && { NODE_COMPILE_CACHE: compiled }),
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
      }),
    120_000
  )
})
