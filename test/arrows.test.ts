/**
 * Which package may import which, types included. Circles between modules are found by the linter (`import/no-cycle`).
 */
import { assert, describe, it } from "@effect/vitest"
import { globSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import { draw } from "../docs/pictures/packages.ts"
import { arrows } from "./arrows.ts"

const packages = join(dirname(dirname(fileURLToPath(import.meta.url))), "packages")

/** What a module imports of our packages, whether for values or for types, when it is loaded or later. */
const imported = (source: string): ReadonlyArray<string> =>
  ts
    .preProcessFile(source, true, true)
    .importedFiles.flatMap(({ fileName }) => /^@effect-dsql\/([^/]+)/.exec(fileName)?.[1] ?? [])

/** The imports of a package's sources that the table does not allow. */
const astray = (name: string, mayImport: ReadonlyArray<string>): ReadonlyArray<string> =>
  globSync("src/**/*.ts", { cwd: join(packages, name) }).flatMap((file) =>
    imported(readFileSync(join(packages, name, file), "utf8"))
      .filter((other) => !mayImport.includes(other))
      .map((other) => `${name}/${file} imports ${other}`)
  )

describe("the packages", () => {
  it.each(arrows)("let %s import nothing but %j", (name, mayImport) => {
    assert.deepStrictEqual(astray(name, mayImport), [])
  })

  it("are all in the table of arrows", () => {
    const known = new Set(arrows.map(([name]) => name))
    assert.deepStrictEqual(
      readdirSync(packages).filter((name) => !known.has(name)),
      []
    )
  })

  it("are drawn as they are in docs/packages.svg: `node docs/pictures/packages.ts` draws them anew", () => {
    assert.strictEqual(readFileSync(join(packages, "../docs/packages.svg"), "utf8"), draw())
  })

  it("have no circle in the table of arrows", () => {
    for (const [index, [name, mayImport]] of arrows.entries()) {
      const below = arrows.slice(0, index).map(([other]) => other)
      assert.includeMembers(below, [...mayImport], name)
    }
  })

  it("are caught importing, however it is written", () => {
    const ways = [
      'import * as A from "@effect-dsql/core/A"',
      'import type { A } from "@effect-dsql/core"',
      'export * from "@effect-dsql/core"',
      'type A = import("@effect-dsql/core").A',
      'const a = () => import("@effect-dsql/core/A")'
    ]
    for (const way of ways) assert.deepStrictEqual(imported(way), ["core"], way)
    assert.deepStrictEqual(imported('/** import { A } from "@effect-dsql/core" */'), [])
  })
})
