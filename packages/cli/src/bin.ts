#!/usr/bin/env node
/**
 * The version is answered before anything else is loaded: Effect alone takes
 * several times as long as Node. The rest is compiled once and then cached.
 */
import { enableCompileCache } from "node:module"
import * as OutputError from "./internal/outputError.ts"
import { packageVersion } from "./internal/packageVersion.ts"

const [only, ...more] = process.argv.slice(2)
if (more.length === 0 && (only === "--version" || only === "-v")) {
  process.stdout.once("error", (error) => (process.exitCode = OutputError.report(error)))
  process.stdout.write(`effect-dsql v${packageVersion()}\n`)
} else {
  enableCompileCache()
  await import("./internal/main.ts")
}
