/**
 * Which files of the repository are pages of the site, where each of them stands, and where their links lead.
 *
 * The pages are the Markdown that the repository has anyway: on the forge a link leads to a file, on the site to its
 * page, and to the forge where there is none.
 */
import { existsSync, globSync, readFileSync, statSync } from "node:fs"
import { dirname, join, posix, relative } from "node:path"

export const root = dirname(dirname(import.meta.dirname))

/** All Markdown of the repository, by path from its root. */
export const documents: ReadonlyArray<string> = globSync("**/*.md", {
  cwd: root,
  exclude: (path) => /(^|\/)(node_modules|dist|\.git|\.data)$/.test(path)
}).toSorted()

const shown =
  /^(docs\/.+|examples\/README|packages\/[^/]+\/(README|RULES|CONFORMANCE|CHANGELOG)|site\/(index|simulator|api\/.+))\.md$/

/** The documents that are pages. */
export const pages: ReadonlyArray<string> = documents.filter((path) => shown.test(path))

/** Where a page stands in the site: `site/` itself is its root, and a README the index of its directory. */
export const placeOf = (page: string): string => page.replace(/^site\//, "").replace(/README\.md$/, "index.md")

const { repository }: { readonly repository: { readonly url: string } } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8")
)

/** The repository on its forge. */
export const forge = repository.url.replace(/^git\+|\.git$/g, "")

/** Where a link of a document leads: a file or directory of the repository with a fragment, or somewhere else. */
export const target = (
  document: string,
  href: string
): { readonly file: string; readonly fragment: string } | undefined => {
  const own = new RegExp(`^${forge}/(?:blob|tree)/main/`)
  if (/^[a-z]+:/.test(href) && !own.test(href)) return undefined
  const [path = "", fragment = ""] = href.replace(own, "/").split("#")
  if (path === "") return { file: document, fragment }
  const file = path.startsWith("/") ? path.slice(1) : posix.join(posix.dirname(document), path)
  return { file: decodeURIComponent(file).replace(/\/$/, ""), fragment }
}

/** The page that a file or directory is shown as. */
export const pageOf = (file: string): string | undefined =>
  [file, `${file}/README.md`].find((path) => shown.test(path) && existsSync(join(root, path)))

/** What a link of a page becomes in the site. */
export const link = (page: string, href: string): string => {
  const leads = target(page, href)
  if (leads === undefined || href.startsWith("#")) return href
  const shownAs = pageOf(leads.file)
  const fragment = leads.fragment === "" ? "" : `#${leads.fragment}`
  if (shownAs !== undefined) return `/${placeOf(shownAs)}${fragment}`
  const kind = statSync(join(root, leads.file)).isDirectory() ? "tree" : "blob"
  return `${forge}/${kind}/main/${leads.file}${fragment}`
}

/** A file of the disk as a path from the repository's root. */
export const fromRoot = (path: string): string => relative(root, path)
