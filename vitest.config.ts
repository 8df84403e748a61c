import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: [
      "test/**/*.test.ts",
      "packages/*/test/**/*.test.ts",
      "examples/*/test/**/*.test.ts",
      "proof/test/**/*.test.ts"
    ],
    globalSetup: ["./test/server.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000
  }
})
