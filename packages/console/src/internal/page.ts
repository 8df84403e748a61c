/**
 * The files of the page, which `pnpm build` makes and a package has with it.
 */
import { existsSync, readFileSync } from "node:fs"

const directory = new URL(import.meta.url.endsWith(".ts") ? "../../dist/page/" : "../page/", import.meta.url)

const types = { html: "text/html; charset=utf-8", js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8" }

/** A file of the page. */
export interface File {
  readonly type: string
  readonly bytes: Uint8Array
}

/** The files, by their paths; none where the page has not been built. */
export const files = (): ReadonlyMap<string, File> => {
  const found = new Map<string, File>()
  const read = (name: string, type: keyof typeof types) => {
    const file = new URL(name, directory)
    if (existsSync(file)) found.set(name, { type: types[type], bytes: readFileSync(file) })
  }
  read("index.html", "html")
  read("page.js", "js")
  read("page.css", "css")
  return found
}
