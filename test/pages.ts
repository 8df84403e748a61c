/**
 * The blocks of a Markdown page, as its reader meets them.
 */
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

export interface Block {
  readonly language: string
  /** The file that the block is, or where its commands are typed. */
  readonly title: string | undefined
  readonly text: string
}

const block = /^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$/gms

/** The text of a page, by its path in the repository. */
export const read = (path: string): string => readFileSync(join(root, path), "utf8")

/** The blocks of a page, in order. */
export const blocksOf = (page: string): ReadonlyArray<Block> =>
  [...page.matchAll(block)].map(([, language = "", title, text = ""]) => ({ language, title, text }))

/** A page in which the blocks that are files hold what the files hold. */
export const withFiles = (page: string, contents: (title: string) => string): string =>
  page.replaceAll(block, (whole, language: string, title: string | undefined) =>
    title === undefined || language === "sh" ? whole : `\`\`\`${language} title="${title}"\n${contents(title)}\`\`\``
  )
