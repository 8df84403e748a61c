#!/usr/bin/env node
/**
 * The version is answered before anything else is loaded: Effect alone takes several times as long as Node. The rest is
 * compiled once and then cached. Node 14 understands this file and what it imports, so as to hear what is needed.
 */
import * as Module from "node:module"
import { ExitCode } from "./ExitCode.ts"
import { packageVersion, refusedNode } from "./internal/manifest.ts"
import * as OutputError from "./internal/outputError.ts"

const [only, ...more] = process.argv.slice(2)
const refused = refusedNode(process.versions.node)
if (refused !== undefined) {
  process.stderr.write(`error: ${refused}\n`)
  process.exitCode = ExitCode.usage
} else if (more.length === 0 && (only === "--version" || only === "-v")) {
  process.stdout.once("error", (error) => (process.exitCode = OutputError.report(error)))
  process.stdout.write(`effect-dsql v${packageVersion}\n`)
} else {
  Module.enableCompileCache()
  await import("./internal/main.ts")
}
