import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** Files that work through many processes, databases or packages; small files to look at, and minutes to run. */
const long = [
  "schema/test/Crash.test.ts",
  "schema/test/Kill.test.ts",
  "test/published.test.ts",
  "test/documents.test.ts"
]

/**
 * Begins with the long files, so that no worker is left alone with one of them at the end. Vitest goes by what a file
 * took the last time, and on a new machine by its size.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const isLong = ({ moduleId }: TestSpecification) => long.some((name) => moduleId.endsWith(`/${name}`))
    // oxlint-disable-next-line unicorn/no-array-sort -- the sequencer's, which leaves its array alone
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  test: {
    include: [
      "test/**/*.test.ts",
      "api/test/**/*.test.ts",
      "packages/*/test/**/*.test.ts",
      "examples/*/test/**/*.test.ts",
      "proof/test/**/*.test.ts",
      "site/test/**/*.test.ts"
    ],
    globalSetup: ["./test/server.ts"],
    sequence: { sequencer: LongestFirst },
    // No file leaves anything behind in its process, and to load Effect anew for each takes as long as many of them.
    isolate: false,
    // Files wait for servers and processes as much as they compute; the default leaves a core of two idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 60_000
  }
})
