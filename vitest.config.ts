import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: [
      "test/**/*.test.ts",
      "api/test/**/*.test.ts",
      "packages/*/test/**/*.test.ts",
      "examples/*/test/**/*.test.ts",
      "proof/test/**/*.test.ts"
    ],
    globalSetup: ["./test/server.ts"],
    // Files wait for servers and processes as much as they compute; the default leaves a core of two idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 60_000
  }
})
