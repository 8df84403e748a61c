/**
 * The example of the README, as it is printed, in a directory as it says: its tests are this file's.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { printed } from "../../../test/printed.ts"

const outside = process.cwd()
const directory = mkdtempSync(join(tmpdir(), "readme-"))
mkdirSync(join(directory, "schema/v1.0"), { recursive: true })
writeFileSync(join(directory, "schema/v1.0/orders.sql"), "CREATE TABLE orders (id INTEGER PRIMARY KEY);")
writeFileSync(
  join(directory, "schema/v1.0/manifest.json"),
  JSON.stringify({ CurrVersion: "1.0", MinCompatibleVersion: "1.0", SchemaUpdateCqlFiles: ["orders.sql"] })
)
process.chdir(directory)

afterAll(() => {
  process.chdir(outside)
  rmSync(directory, { recursive: true })
})

await import(/* @vite-ignore */ printed("packages/testing/README.md", "survive a conflict"))
