/**
 * Every link of every document of the repository leads somewhere; and every link of the site, where it has been built.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, globSync, readFileSync, statSync } from "node:fs"
import { join, posix } from "node:path"
import { fragmentsOf, linksOf } from "../src/Links.ts"
import { documents, link, root, target } from "../src/Pages.ts"

const read = (file: string) => readFileSync(join(root, file), "utf8")

/** The links of a document that lead to nothing in the repository. */
const deadOf = (document: string, markdown: string): ReadonlyArray<string> =>
  linksOf(markdown).filter((href) => {
    const leads = target(document, href)
    if (leads === undefined) return false
    const file = join(root, leads.file)
    if (!existsSync(file)) return true
    if (leads.fragment === "") return false
    const text = leads.file === document ? markdown : statSync(file).isFile() ? read(leads.file) : ""
    return !fragmentsOf(text).has(leads.fragment)
  })

describe("the documents", () => {
  const written = documents.filter((document) => !document.startsWith("site/api/"))

  it.each(written)("%s links to nothing that is not there", (document) => {
    assert.deepStrictEqual(deadOf(document, read(document)), [])
  })

  it("are found linking to a file or a heading that is not there", () => {
    const links = ["errors.md#none", "none.md", "../packages/none", "#none"]
    const found = deadOf("docs/cli.md", links.map((href) => `[a](${href})`).join(" "))
    assert.deepStrictEqual(found, links)
    assert.deepStrictEqual(deadOf("docs/cli.md", "# A `b` c\n[a](#a-b-c) [b](errors.md) [c](../packages)"), [])
  })
})

describe("a link of a page", () => {
  it("leads to another page where there is one, and to the forge where there is only a file", () => {
    assert.strictEqual(link("docs/cli.md", "errors.md#three"), "/docs/errors.md#three")
    assert.strictEqual(link("docs/cli.md", "../packages/core"), "/packages/core/index.md")
    assert.match(link("docs/cli.md", "../LICENSE"), /^https:\/\/.+\/blob\/main\/LICENSE$/)
    assert.match(link("docs/cli.md", "../proof"), /^https:\/\/.+\/tree\/main\/proof$/)
  })

  it("leads from a README as npm shows it to the same page", () => {
    const forge = link("docs/cli.md", "../docs").replace("/tree/main/docs", "")
    assert.strictEqual(link("packages/cli/README.md", `${forge}/blob/main/docs/cli.md`), "/docs/cli.md")
    assert.strictEqual(link("packages/cli/README.md", "https://effect.website"), "https://effect.website")
  })
})

const dist = join(root, "site/.vitepress/dist")
const html = globSync("**/*.html", { cwd: dist })

describe.skipIf(html.length === 0)("the built site", () => {
  const texts = new Map(html.map((path) => [path, readFileSync(join(dist, path), "utf8")]))
  const ids = new Map([...texts].map(([path, text]) => [path, new Set(attributes(text, "id"))]))

  it("has no link to a page or a heading that is not there", () => {
    const dead = [...texts].flatMap(([path, text]) =>
      [...new Set([...attributes(text, "href"), ...attributes(text, "src")])]
        .filter((href) => !/^([a-z]+:|\/\/)/.test(href) && !leads(path, href))
        .map((href) => `${path}: ${href}`)
    )
    assert.deepStrictEqual(dead, [])
  })

  const leads = (from: string, href: string): boolean => {
    const [path = "", fragment = ""] = href.split("#").map(decodeURIComponent)
    const file = path === "" ? from : path.startsWith("/") ? path.slice(1) : posix.join(posix.dirname(from), path)
    const page = file === "" || file.endsWith("/") ? `${file}index.html` : file
    if (fragment !== "" && fragment !== "VPContent") return ids.get(page)?.has(fragment) === true
    return texts.has(page) || existsSync(join(dist, page))
  }
})

function attributes(text: string, name: string): ReadonlyArray<string> {
  return [...text.matchAll(new RegExp(` ${name}="([^"]*)"`, "g"))].map(([, value = ""]) =>
    value.replaceAll("&amp;", "&").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&#39;", "'")
  )
}
