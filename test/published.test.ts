/**
 * The packages as a user gets them: packed as they would be published, installed
 * with npm in an empty project, run and compiled there.
 */
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { assert, describe, it } from "@effect/vitest"
import { type ChildProcess, execFile, spawn } from "node:child_process"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { publint } from "publint"
import { afterAll, beforeAll, inject } from "vitest"
import { freePort } from "./freePort.ts"
import { blocksOf, read, root } from "./pages.ts"

const names = readdirSync(join(root, "packages"))
const typescript = createRequire(import.meta.url).resolve("typescript/bin/tsc")
/** Where it is installed already: thousands of files, of which these installations prove nothing. */
const effect = dirname(createRequire(import.meta.url).resolve("effect/package.json"))
const scratch = mkdtempSync(join(tmpdir(), "published-"))
const app = join(scratch, "app")

/** Runs a program; npm, too, is run by the Node that is pinned. It gets to its registry as this process would. */
const run = async (file: string, args: ReadonlyArray<string>, cwd: string, env: NodeJS.ProcessEnv = process.env) => {
  const ended = await end(file, args, cwd, env)
  // What it printed is what one wants to see.
  if (ended.code !== 0) throw new Error(`${file} ${args.join(" ")}\n${ended.stdout}${ended.stderr}`)
  return ended
}

const PATH = `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}`

/** Runs a program to its end, whatever that is. */
const end = (file: string, args: ReadonlyArray<string>, cwd: string, env: NodeJS.ProcessEnv = process.env) =>
  new Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>((resolve) => {
    const child = execFile(file, args, { cwd, env: { ...env, PATH }, timeout: 900_000 }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr })
    )
  })

/** How the packages are packed from a clone, as docs/getting-started.md says it. */
const packing = ["npx -y pnpm@12.21.0", "-r", "--filter", "'./packages/*'", "pack", "--pack-destination"]

const tarballOf = (name: string) => {
  const { version } = JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8"))
  return join(scratch, `effect-dsql-${name}-${version}.tgz`)
}

/** Every module of a package that its tarball offers, as one imports it. */
const modulesOf = (name: string): ReadonlyArray<string> =>
  readdirSync(join(app, "node_modules/@effect-dsql", name, "dist"))
    .flatMap((file) => /^(\w+)\.d\.ts$/.exec(file)?.[1] ?? [])
    .filter((module) => module !== "index" && module !== "bin")
    .toSorted()

beforeAll(async () => {
  mkdirSync(app)
  writeFileSync(join(app, "package.json"), JSON.stringify({ name: "app", private: true, type: "module" }))
  await run("sh", ["-eu", "-c", `${packing.join(" ")} '${scratch}'`], root)
  const typings = createRequire(import.meta.url).resolve("@types/node/package.json")
  await run(
    "npm",
    ["install", "--no-audit", "--no-fund", "--prefer-offline", ...names.map(tarballOf), dirname(typings)],
    app
  )
})

afterAll(() => rm(scratch, { recursive: true, force: true }))

describe("the published packages", () => {
  it.each(names)("%s is packed without a fault that publint knows", async (name) => {
    const tarball = new Uint8Array(readFileSync(tarballOf(name))).buffer
    assert.deepStrictEqual((await publint({ pack: { tarball }, strict: true })).messages, [])
  })

  it.each(names)("%s holds what a user reads and runs, and nothing of the build", (name) => {
    const files = createPackageFromTarballData(new Uint8Array(readFileSync(tarballOf(name)))).listFiles()
    const ours = files.map((file) => file.replace(`/node_modules/@effect-dsql/${name}/`, ""))
    assert.includeMembers(ours, ["AGENTS.md", "CHANGELOG.md", "LICENSE", "README.md", "dist/index.js", "src/index.ts"])
    assert.deepStrictEqual(
      ours.filter(
        (file) =>
          !/^dist\/page\/(index\.html|page\.(css|js))$/.test(file) &&
          !/^(LICENSE|(src|dsql|recordings)\/.+|[^/]+\.(json|md)|dist\/.+\.(js|d\.ts|map))$/.test(file)
      ),
      []
    )
  })

  it.each(names)("the types of %s are found wherever an ES module imports them", async (name) => {
    const entrypoints = [".", ...modulesOf(name).map((module) => `./${module}`)]
    const packed = createPackageFromTarballData(new Uint8Array(readFileSync(tarballOf(name))))
    const analysis = await checkPackage(packed, { entrypoints })
    assert.isTrue(analysis.types !== false)
    if (analysis.types === false) return
    assert.sameMembers(Object.keys(analysis.entrypoints), entrypoints)
    // There is nothing here for require, nor for resolution that knows no exports.
    const ours = analysis.problems.filter(
      (problem) => !("resolutionKind" in problem && ["node10", "node16-cjs"].includes(problem.resolutionKind))
    )
    assert.deepStrictEqual(ours, [])
  })

  it("a program that imports each of their modules compiles and runs", async () => {
    const imports = names.flatMap((name) =>
      ["", ...modulesOf(name).map((module) => `/${module}`)].map((module) => `@effect-dsql/${name}${module}`)
    )
    const program = [
      ...imports.map((path, i) => `import * as m${i} from "${path}"`),
      `const modules: ReadonlyArray<object> = [${imports.map((_, i) => `m${i}`).join(", ")}]`,
      "if (modules.some((module) => Object.keys(module) === undefined)) throw new Error()",
      "console.log(modules.length)"
    ]
    writeFileSync(join(app, "main.ts"), program.join("\n"))
    const options = "--module nodenext --target es2024 --strict --skipLibCheck --types node".split(" ")
    await run(process.execPath, [typescript, ...options, "main.ts"], app)
    assert.strictEqual((await run(process.execPath, ["main.js"], app)).stdout, `${imports.length}\n`)
  })

  it.each(["@effect-dsql/cli/bin", "@effect-dsql/core/internal/classify"])("%s is nobody else's", async (path) => {
    const failed = run(process.execPath, ["-e", `import(${JSON.stringify(path)})`], app)
    assert.include(String(await failed.catch((error: unknown) => error)), "ERR_PACKAGE_PATH_NOT_EXPORTED")
  })

  // npm 12 skips install scripts by itself, as pnpm does with an error; and as root the directory is closed to whoever runs the server.
  const installs = [
    ["npm@11", ["install", "--ignore-scripts"]],
    ["npm@12", ["install"]],
    ["pnpm@12.21.0", ["add", "--ignore-scripts"]]
  ] as const
  it.each(installs)(
    "a server starts after %s skipped the install scripts, in a closed directory",
    async (manager, how) => {
      const closed = mkdtempSync(join(scratch, "closed, with spaces "))
      const cache = mkdtempSync(join(tmpdir(), "published-cache-"))
      chmodSync(cache, 0o755)
      try {
        writeFileSync(join(closed, "package.json"), JSON.stringify({ name: "closed", private: true, type: "module" }))
        // pnpm asks the registry for what a tarball depends on, where nothing of this is yet.
        writeFileSync(
          join(closed, "pnpm-workspace.yaml"),
          JSON.stringify({ overrides: { "@effect-dsql/dialect": `file:${tarballOf("dialect")}` } })
        )
        const tarballs = ["dialect", "emulator"].map(tarballOf)
        await run("npx", ["-y", "--prefer-offline", manager, ...how, "--prefer-offline", ...tarballs, effect], closed)
        const program = [
          'import { Postgres } from "@effect-dsql/emulator"',
          'import { Effect } from "effect"',
          'const make = Postgres.make({ dataDirectory: "data" })',
          "const running = Effect.map(make, ({ dataDirectory }) => console.log(dataDirectory))",
          "await Effect.runPromise(Effect.scoped(running))"
        ]
        writeFileSync(join(closed, "main.js"), program.join("\n"))
        const env = { ...process.env, HOME: "/nonexistent", XDG_CACHE_HOME: cache }
        const ended = await run(process.execPath, ["main.js"], closed, env)
        assert.strictEqual(ended.stdout, `${join(closed, "data")}\n`)
        assert.lengthOf(readdirSync(cache), 1)
        const nowhere = { ...env, XDG_CACHE_HOME: "/dev/null", TMPDIR: "/dev/null" }
        const refused = await end(process.execPath, ["main.js"], closed, nowhere)
        assert.match(
          refused.stderr,
          /cannot copy PostgreSQL's programs to \/dev\/null, .*: set TMPDIR to another directory/
        )
      } finally {
        rmSync(cache, { recursive: true, force: true })
      }
    }
  )

  it.each(["18", "20"])("under Node %s the command line says which Node it needs, and ends with 2", async (version) => {
    const bin = join(app, "node_modules/@effect-dsql/cli/dist/bin.js")
    const asked = ["-y", "--prefer-offline", `node@${version}`, "-p", "process.execPath"]
    const node = (await run("npx", asked, app)).stdout.trim()
    const ended = await Promise.all(["status", "--version"].map((arg) => end(node, [bin, arg], app)))
    for (const { code, stderr, stdout } of ended) {
      assert.deepStrictEqual([code, stdout], [2, ""])
      assert.match(stderr, /^error: effect-dsql needs Node 22\.19 or newer, and this is \d+\.\d+\.\d+: [^\n]*\n$/)
    }
  })

  it.each(["effect-dsql", "temporal-dsql-tool"])("%s runs", async (bin) => {
    const tool = (args: ReadonlyArray<string>, env = {}) => run(join(app, "node_modules/.bin", bin), args, app, env)
    const { version } = JSON.parse(readFileSync(join(root, "packages/cli/package.json"), "utf8"))
    assert.strictEqual((await tool(["--version"])).stdout, `effect-dsql v${version}\n`)
    assert.include((await tool(["--help"])).stdout, "setup-schema")
    writeFileSync(join(app, "a.sql"), "SELECT 1;")
    assert.strictEqual((await tool(["lint", "a.sql"])).stdout, "0 errors, 0 warnings in 1 file\n")
    const url = new URL(inject("postgresUrl"))
    const env = {
      SQL_HOST: url.hostname,
      SQL_PORT: url.port,
      SQL_USER: decodeURIComponent(url.username),
      SQL_PASSWORD: decodeURIComponent(url.password)
    }
    const plan = JSON.parse((await tool(["plan", "--format", "json"], env)).stdout)
    assert.strictEqual(plan.to, "1.1")
  })
})

/** Starts what a terminal of its own is for, and waits until it says that it is there. */
const start = (commands: string, cwd: string) =>
  new Promise<ChildProcess>((resolve, reject) => {
    const child = spawn("sh", ["-eu", "-c", commands], { cwd, env: { ...process.env, PATH }, detached: true })
    // Where the tests are broken off nobody is left to end it: this one hears of that by the end of its input.
    const ending = ["-c", 'read -r _; kill -s TERM -- "-$1"', "sh", String(child.pid)]
    const witness = spawn("sh", ending, { detached: true, stdio: ["pipe", "ignore", "ignore"] })
    child.once("close", () => witness.kill())
    let said = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        said += chunk
        if (/ready|Listening/.test(said)) resolve(child)
      })
    }
    child.once("close", () => reject(new Error(`${commands}\n${said}`)))
  })

/** Ends a terminal with all that runs in it. */
const stop = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    child.once("close", () => resolve())
    if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM")
  })

describe("docs/getting-started.md", () => {
  it("leads from an empty directory to a service that answers and tests that pass", async () => {
    const orders = join(scratch, "orders")
    const page = read("docs/getting-started.md")
      .replaceAll("5433", await freePort())
      .replaceAll("3000", await freePort())
      // What the page says of packages that are not on npm yet.
      .replace("@effect-dsql/core @effect-dsql/schema", names.map(tarballOf).join(" "))
      .replace("@effect-dsql/cli @effect-dsql/testing", "")
    const env = { ...process.env, npm_config_prefer_offline: "true", npm_config_audit: "false" }
    const terminals: Array<ChildProcess> = []
    try {
      for (const { language, text, title } of blocksOf(page)) {
        const here = existsSync(orders) ? orders : scratch
        if (language === "sh") {
          // oxlint-disable-next-line no-await-in-loop -- one after the other, as they are read
          if (title === undefined) await run("sh", ["-eu", "-c", text], here, env)
          // Done already, by what runs before all tests here: the packages are not packed twice.
          else if (title === "a clone of the repository") assert.include(text, packing.join(" "))
          // oxlint-disable-next-line no-await-in-loop -- likewise
          else terminals.push(await start(text, here))
        } else if (title !== undefined) {
          mkdirSync(dirname(join(orders, title)), { recursive: true })
          writeFileSync(join(orders, title), text)
        }
      }
      assert.lengthOf(terminals, 2)
    } finally {
      await Promise.all(terminals.toReversed().map(stop))
    }
  })
})
