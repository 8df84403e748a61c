/**
 * Every example in the documentation compiles, as a reader would copy it.
 */
import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** An example, and where its first line stands. */
interface Example {
  readonly place: string
  readonly text: string
}

/** The TypeScript blocks of a file, in its comments or in its Markdown. */
const examplesOf = (path: string): ReadonlyArray<Example> => {
  const examples: Array<Example> = []
  let open: Array<string> | undefined
  for (const [index, line] of readFileSync(join(root, path), "utf8").split("\n").entries()) {
    const text = path.endsWith(".md") ? line : line.replace(/^\s*\* ?/, "")
    if (open === undefined) {
      if (text.trimEnd() === "```ts") open = []
    } else if (text.trimEnd() === "```") {
      examples.push({ place: `${path}:${index + 1 - open.length}`, text: open.join("\n") })
      open = undefined
    } else open.push(text)
  }
  return examples
}

const examples = globSync(
  ["packages/*/src/**/*.ts", "packages/*/README.md", "packages/*/AGENTS.md", "docs/**/*.md", "*.md"],
  { cwd: root }
)
  .toSorted()
  .flatMap(examplesOf)

const { options } = ts.parseJsonConfigFileContent(
  ts.readConfigFile(join(root, "tsconfig.base.json"), ts.sys.readFile).config,
  ts.sys,
  root
)

const fileOf = (index: number) => join(root, `example-${index}.ts`)

/** What the compiler says of each example, by its file. */
const diagnostics = (): ReadonlyMap<string, ReadonlyArray<string>> => {
  const files = new Map(examples.map(({ text }, index) => [fileOf(index), text]))
  const settings = {
    ...options,
    composite: false,
    incremental: false,
    noEmit: true,
    noUnusedLocals: false,
    noUnusedParameters: false
  }
  const host = ts.createCompilerHost(settings)
  const { fileExists, getSourceFile, readFile } = host
  host.fileExists = (name) => files.has(name) || fileExists(name)
  host.readFile = (name) => files.get(name) ?? readFile(name)
  host.getSourceFile = (name, target, ...rest) => {
    const text = files.get(name)
    return text === undefined ? getSourceFile(name, target, ...rest) : ts.createSourceFile(name, text, target)
  }
  const program = ts.createProgram([...files.keys()], settings, host)
  // What the packages say themselves is for `types` to check, which takes as long again.
  const said = (file: string): ReadonlyArray<string> => {
    const source = program.getSourceFile(file)
    const all = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
    return all.map(({ messageText, start }) => {
      const line = source?.getLineAndCharacterOfPosition(start ?? 0).line ?? 0
      return `line ${line + 1} of the example: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`
    })
  }
  return new Map([...files.keys()].map((file) => [file, said(file)]))
}

describe("the examples in the documentation", () => {
  const found = diagnostics()

  it.each(examples.map(({ place }, index) => [place, index] as const))("%s compiles", (_, index) => {
    assert.deepStrictEqual(found.get(fileOf(index)), [])
  })
})
