import { availableParallelism, totalmem } from "node:os"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/**
 * Files that take longest, those that wait for processes and clocks beside those that compute, so that the processors
 * have something to do until the end: small files to look at, which work through many databases or processes.
 */
const long = [
  "proof/test/outcomes.test.ts",
  "schema/test/Crash.test.ts",
  "test/published.test.ts",
  "cli/test/probe.test.ts",
  "storm/Storm.test.ts",
  "examples/cluster/test/processes.test.ts",
  "fleet/Workflows.test.ts",
  "schema/test/Kill.test.ts",
  "workflows/test/workflows.test.ts",
  "schema/test/Migrator.test.ts",
  "emulator/test/Leaks.test.ts",
  "persistence/test/properties/Failures.test.ts",
  "fleet/Entities.test.ts",
  "persistence/test/TaskQueueOutcome.test.ts",
  "persistence/test/ExecutionOutcomes.test.ts",
  "persistence/test/LateArrivals.test.ts",
  "fleet/Requests.test.ts",
  "schema/test/MigratorOnDsql.test.ts",
  "fleet/Cron.test.ts",
  "persistence/test/HistoryTasks.test.ts",
  "cli/test/dev.test.ts",
  "console/test/browser.test.ts",
  "test/retrying.test.ts",
  "test/documents.test.ts",
  "schema/test/LateWrites.test.ts",
  "schema/test/Lease.test.ts",
  "site/test/browser.test.ts",
  "fleet/Locks.test.ts",
  "services/test/services.test.ts",
  "test/examples.test.ts",
  "schema/test/EffectMigratorAdoption.test.ts",
  "cluster/test/Plans.test.ts",
  "demo/test/demo.test.ts"
]

/**
 * Begins with the long files, so that no worker is left alone with one of them at the end. Vitest goes by what a file
 * took the last time, and on a new machine by its size.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    // oxlint-disable-next-line unicorn/no-array-sort -- the sequencer's, which leaves its array alone
    const sorted = await super.sort(files)
    const first = long.flatMap((name) => sorted.filter(({ moduleId }) => moduleId.endsWith(`/${name}`)))
    return [...first, ...sorted.filter((file) => !first.includes(file))]
  }
}

// Files wait for servers and processes more than they compute: with a worker for each core, cores are idle.
const workers = Math.min(3 * availableParallelism(), 16)

/** Megabytes that a worker's heap may have before its garbage is looked for: of all workers, a quarter of the machine's. */
const heap = Math.min(512, Math.floor(totalmem() / 2 ** 20 / 4 / workers))

/**
 * Lets what sockets have read count with the rest of a heap. By itself 64 MiB of it are enough to look through all of the
 * heap, which was a tenth of what a run took; the V8 of Node 22 knows no other way.
 */
const buffers = Number.parseInt(process.versions.v8, 10) >= 13 ? ["--external-memory-accounted-in-global-limit"] : []

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
    maxWorkers: workers,
    // The processors are busy to the end, so it is what all threads take that counts. Most of the code of a test runs a
    // few times: it is compiled at once, and made fast late. What a test leaves is garbage soon: it is not moved about,
    // and there may be more of it.
    execArgv: [
      "--always-sparkplug",
      "--efficiency-mode",
      `--initial-heap-size=${heap}`,
      "--min-semi-space-size=64",
      "--max-semi-space-size=64",
      // Nor is a worker that waits looked through for what it could do without, and no thread beside it helps: there is no
      // processor to spare.
      "--no-memory-reducer",
      "--single-threaded-gc",
      ...buffers
    ],
    // Ends what hangs. How long something takes is nothing that a test says: `pnpm bench` does.
    testTimeout: 900_000,
    hookTimeout: 900_000
  }
})
