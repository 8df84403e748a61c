/**
 * What `pnpm api` makes of a package that the compiler has built with the options of all packages.
 */
import { assert, describe, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import ts from "typescript"
import { onTestFinished } from "vitest"
import * as Surfaces from "../src/Surfaces.ts"

const base = join(dirname(dirname(import.meta.dirname)), "tsconfig.base.json")

const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(base, ts.sys.readFile).config, ts.sys, tmpdir())

/** A root with one package of these sources, compiled. */
const rootOf = (sources: Readonly<Record<string, string>>): string => {
  const root = mkdtempSync(join(tmpdir(), "api-"))
  onTestFinished(() => rmSync(root, { recursive: true }))
  put(root, "package.json", JSON.stringify({ name: "parcel", exports: { "./*": "./src/*.ts", "./bin": null } }))
  compile(root, sources)
  return root
}

const put = (root: string, path: string, text: string): void => {
  const file = join(root, "packages/parcel", path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** Writes sources, which promise to stay unless they begin otherwise, and builds them beside those that are there. */
const compile = (root: string, sources: Readonly<Record<string, string>>): void => {
  const head = "/**\n * A module.\n *\n * @stability stable\n */\nexport {}\n"
  for (const [path, text] of Object.entries(sources))
    put(root, `src/${path}`, text.startsWith("\n") ? text : head + text)
  const directory = join(root, "packages/parcel")
  const files = Object.keys(sources).map((path) => join(directory, "src", path))
  const program = ts.createProgram(files, {
    ...options,
    composite: false,
    incremental: false,
    emitDeclarationOnly: true,
    noLib: true,
    types: [],
    rootDir: join(directory, "src"),
    outDir: join(directory, "dist")
  })
  program.emit()
}

const documented = (text: string) => `/**\n * What it is.\n *\n * @since 0.1.0\n * @category models\n */\n${text}\n`

const complaints = async (root: string) => Surfaces.complaints(await Surfaces.read(root))

/** Writes the report; gives what is wrong then. */
const write = async (root: string) => {
  const surfaces = await Surfaces.read(root)
  Surfaces.write(surfaces)
  return Surfaces.complaints(surfaces)
}

const report = async (root: string) => {
  await write(root)
  return readFileSync(join(root, "packages/parcel/API.md"), "utf8")
}

describe("pnpm api", () => {
  it("shows each export of each module that can be imported, with its full type and no comment", async () => {
    const root = rootOf({
      "Box.ts": [
        documented("export interface Box { /** In grams. */ readonly weight: Weight }"),
        "interface Weight { readonly grams: number }",
        documented("export const empty: Box = { weight: { grams: 0 } }")
      ].join("\n"),
      "bin.ts": documented("export const main: string = ''"),
      "internal/lid.ts": documented("export const lid: string = ''")
    })
    assert.strictEqual(
      await report(root),
      `# The public API of parcel

Written by \`pnpm api\`: do not edit.

## parcel/Box

Stability: stable.

\`\`\`ts
export interface Box {
  readonly weight: Weight
}

interface Weight {
  readonly grams: number
}

export declare const empty: Box
\`\`\`
`
    )
    assert.deepStrictEqual(await complaints(root), [])
  })

  it("shows the same where exports, unions and imports are only written in another order or way", async () => {
    const size = { "Size.ts": documented("export type Size = number") }
    const one = rootOf({
      ...size,
      "Box.ts": [
        'import type * as Size from "./Size.ts"',
        documented('export declare const a: "x" | "y"'),
        documented("export declare const b: Size.Size")
      ].join("\n")
    })
    const other = rootOf({
      ...size,
      "Box.ts": [
        documented('export declare const b: import("./Size.ts").Size'),
        documented('export declare const a: "y" | "x"')
      ].join("\n")
    })
    assert.strictEqual(await report(one), await report(other))
  })

  it("fails for an export that the report does not have, until the report is written again", async () => {
    const root = rootOf({ "Box.ts": documented("export const a: number = 1") })
    await write(root)
    compile(root, { "Box.ts": documented("export const a: number = 1") + documented("export const b: number = 2") })
    assert.deepStrictEqual(await complaints(root), [
      "packages/parcel/API.md is not what the package exports: run pnpm api, and review what it changes"
    ])
    await write(root)
    assert.deepStrictEqual(await complaints(root), [])
  })

  it("fails for a public type that names an internal one, also through a part that is not exported", async () => {
    const root = rootOf({
      "internal/lid.ts": "export interface Lid { readonly open: boolean }",
      "Box.ts": [
        'import type { Lid } from "./internal/lid.ts"',
        "interface Part { readonly lid: Lid }",
        documented("export declare const box: Part")
      ].join("\n")
    })
    assert.deepStrictEqual(await write(root), ["parcel/Box: box names Lid of internal/lid"])
  })

  it("tells an internal type from a public one of the same name", async () => {
    const root = rootOf({
      "internal/lid.ts": "export interface Options { readonly open: boolean }",
      "Lid.ts": documented("export interface Options { readonly open: boolean }"),
      "Box.ts": [
        'import type * as Internal from "./internal/lid.ts"',
        'import type * as Lid from "./Lid.ts"',
        documented("export declare const box: (a: Internal.Options, b: Lid.Options) => void")
      ].join("\n")
    })
    assert.deepStrictEqual(await write(root), ["parcel/Box: box names Options of internal/lid"])
  })

  it("takes an internal declaration that a public module exports for its own", async () => {
    const root = rootOf({
      "internal/lid.ts": documented("export interface Lid { readonly open: boolean }"),
      "Box.ts": [
        'import type { Lid } from "./internal/lid.ts"',
        'export type { Lid } from "./internal/lid.ts"',
        documented("export declare const lid: Lid")
      ].join("\n")
    })
    assert.deepStrictEqual(await write(root), [])
    assert.include(
      await report(root),
      "export interface Lid {\n  readonly open: boolean\n}\n\nexport declare const lid: Lid\n"
    )
  })

  it("fails for a module that does not say at its head whether it will stay, and for none but that", async () => {
    const box = documented("export const a: number = 1")
    const root = rootOf({
      "Bare.ts": `\n${box}`,
      "Late.ts": `\n// A comment.\n/** @stability stable */\n${box}`,
      "Vague.ts": `\n/** @stability soon */\n${box}`,
      "Young.ts": `\n/** @stability unstable */\n${box}`,
      "index.ts": `\n${documented('export * as Young from "./Young.ts"')}`,
      "internal/lid.ts": `\n${box}`
    })
    assert.deepStrictEqual(
      await write(root),
      ["Bare", "Late", "Vague"].map(
        (name) => `parcel/${name} says neither @stability stable nor @stability unstable at its head`
      )
    )
    assert.include(await report(root), "## parcel/Young\n\nStability: unstable.\n")
  })

  it("leaves out what is @internal, and fails for a public type that names it", async () => {
    const root = rootOf({
      "Lid.ts": "/** @internal */\nexport interface Lid { readonly open: boolean }",
      "Box.ts": [
        'import type { Lid } from "./Lid.ts"',
        'import type * as Module from "./Lid.ts"',
        documented("export declare const a: Lid"),
        documented("export declare const b: Module.Lid"),
        documented('export declare const c: import("./Lid.ts").Lid')
      ].join("\n")
    })
    assert.notInclude(await report(root), "interface Lid")
    assert.deepStrictEqual(
      await write(root),
      ["a", "b", "c"].map((name) => `parcel/Box: ${name} names Lid, which is @internal`)
    )
  })

  it("fails for an export without a sentence, without @since and without @category", async () => {
    const root = rootOf({
      "Box.ts": [
        "export const bare: number = 1",
        "/**\n * @since 0.1.0\n * @category models\n */\nexport const silent: number = 1",
        "/** What it is. */\nexport const untagged: number = 1"
      ].join("\n")
    })
    assert.deepStrictEqual(await write(root), [
      "parcel/Box: bare has no sentence that documents it",
      "parcel/Box: bare has no @since",
      "parcel/Box: bare has no @category",
      "parcel/Box: silent has no sentence that documents it",
      "parcel/Box: untagged has no @since",
      "parcel/Box: untagged has no @category"
    ])
  })
})
