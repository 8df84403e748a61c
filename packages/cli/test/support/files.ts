/**
 * Schema files for a command line to read.
 */
import { Effect } from "effect"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

/** A directory with these files, readable by everyone; it goes with the scope. */
export const tree = (files: Readonly<Record<string, string | Uint8Array>>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const root = await mkdtemp(join(tmpdir(), "effect-dsql-cli-"))
      await Promise.all(
        Object.entries(files).map(async ([name, content]) => {
          await mkdir(dirname(join(root, name)), { recursive: true })
          await writeFile(join(root, name), content)
        })
      )
      return root
    }),
    (root) => Effect.promise(() => rm(root, { recursive: true, force: true }))
  )

/** A manifest of one file, a.sql. */
export const manifest = (version: string, minimum = version) =>
  JSON.stringify({
    CurrVersion: version,
    MinCompatibleVersion: minimum,
    Description: "",
    SchemaUpdateCqlFiles: ["a.sql"]
  })
