import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const parsing = fileURLToPath(new URL("./parsing.ts", import.meta.url))

describe("memory", () => {
  it("a process that parses many statements fits a container of 512 MiB", async () => {
    // What V8 optimizes it optimizes at once, and not at some time in the background. Linux counts for a process the
    // memory of the one that began it, too: that is a shell, which stays, and not a worker of the tests with its heap.
    const command = ['"$@"; exit', "sh", process.execPath, "--wasm-sync-tier-up", parsing]
    const { stdout } = await promisify(execFile)("sh", ["-c", ...command])
    assert.isBelow(Number(stdout), 300 * 1024, "KiB that the process took at most")
  })
})
