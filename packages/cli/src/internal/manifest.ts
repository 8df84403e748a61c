/**
 * What this package says of itself. Reads one file, imports nothing of this project, and is understood by a Node that
 * is too old for the rest: `--version` waits for it alone.
 */
import { readFileSync } from "node:fs"

const manifest: {
  readonly version: string
  readonly engines: { readonly node: string }
  // The file is this package's own.
} = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))

/** The version of this package. */
export const packageVersion = manifest.version

/** What a Node that is too old is told, or undefined where this one will do. */
export const refusedNode = (running: string): string | undefined => {
  const needed = manifest.engines.node.replace(">=", "")
  const [major = 0, minor = 0] = running.split(".").map(Number)
  const [neededMajor = 0, neededMinor = 0] = needed.split(".").map(Number)
  return major > neededMajor || (major === neededMajor && minor >= neededMinor)
    ? undefined
    : `effect-dsql needs Node ${needed} or newer, and this is ${running}: install a newer one, from https://nodejs.org`
}
