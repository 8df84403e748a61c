/**
 * The examples of a page as modules: written where packages are found, as the compiler emits them.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import ts from "typescript"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Where the example of a page is that has this text in it, to be imported. */
export const printed = (page: string, text: string): string => {
  const blocks = [...readFileSync(join(root, page), "utf8").matchAll(/^```ts\n(.*?)^```/gms)].map(
    ([, block = ""]) => block
  )
  const block = blocks.find((block) => block.includes(text))
  if (block === undefined) throw new Error(`${page} has no example with ${text}`)
  const directory = join(root, "node_modules", ".printed")
  mkdirSync(directory, { recursive: true })
  const file = join(directory, `${`${page} ${text}`.replaceAll(/\W+/g, "-")}.mjs`)
  const { outputText } = ts.transpileModule(block, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ESNext }
  })
  writeFileSync(file, outputText)
  return pathToFileURL(file).href
}
