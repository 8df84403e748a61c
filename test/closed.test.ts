/**
 * A clone in a home that others cannot enter, as root's own is on most systems: PostgreSQL's programs run as somebody
 * else there, who cannot reach them where npm has put them.
 */
import { assert, it } from "@effect/vitest"
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { promisify } from "node:util"
import { freePort } from "./freePort.ts"
import { root } from "./pages.ts"

const run = promisify(execFile)

// On the disk of the repository, so that the files of its packages are linked and not copied.
const scratch = join(root, ".data")

it.skipIf(process.getuid?.() !== 0)("a clone below a directory that only root may enter runs a database", async () => {
  mkdirSync(scratch, { recursive: true })
  const home = mkdtempSync(join(scratch, "closed home-"))
  chmodSync(home, 0o700)
  const clone = join(home, "effect-dsql")
  try {
    await run("git", ["clone", "--quiet", "--depth", "1", `file://${root}`, clone])
    const install = ["-y", "pnpm@12.21.0", "install", "--frozen-lockfile", "--prefer-offline"]
    await run("npx", install, { cwd: clone, maxBuffer: 1e8 })
    const dev = spawn(process.execPath, ["packages/cli/src/bin.ts", "dev", "--ephemeral", "--port", await freePort()], {
      cwd: clone,
      stdio: ["ignore", "pipe", "inherit"]
    })
    const ended = once(dev, "close")
    try {
      const [line] = await Promise.race([once(createInterface(dev.stdout), "line"), ended])
      assert.match(String(line), /^ready: Aurora DSQL, emulated, at 127\.0\.0\.1:\d+; nothing is kept$/)
    } finally {
      dev.kill("SIGINT")
    }
    assert.deepStrictEqual(await ended, [130, null])
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
})
