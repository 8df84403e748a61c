/**
 * What npm, and whoever looks a package up there, reads of it: its package.json and its README.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parse } from "yaml"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const read = (...path: ReadonlyArray<string>) => readFileSync(join(root, ...path), "utf8")

const names = readdirSync(join(root, "packages"))
const manifestOf = (name: string) => JSON.parse(read("packages", name, "package.json"))

/** Where the project lives is said once, in the root's package.json; all else is held against it. */
const repository: string = JSON.parse(read("package.json")).repository.url
const forge = repository.replace(/^git\+/, "").replace(/\.git$/, "")

/** What a package's Markdown links to. */
const linksOf = (markdown: string): ReadonlyArray<string> =>
  [...markdown.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) => link ?? [])

/** Whether a link leads somewhere for whoever reads it on npm: to a file of the repository, or to a package of it. */
const leads = (link: string): boolean => {
  const file = new RegExp(`^${forge}/(?:blob|tree)/main/([^#]+)`).exec(link)?.[1]
  if (file !== undefined) return existsSync(join(root, file))
  const name = /^https:\/\/www\.npmjs\.com\/package\/@effect-dsql\/(.+)$/.exec(link)?.[1]
  return name === undefined ? /^(https:\/\/|#)/.test(link) : names.includes(name)
}

describe("each published package", () => {
  it.each(names)("%s says where it is developed and where faults are reported", (name) => {
    const { bugs, homepage, repository: own } = manifestOf(name)
    assert.deepStrictEqual(
      { bugs, homepage, repository: own },
      {
        bugs: `${forge}/issues`,
        homepage: `${forge}/tree/main/packages/${name}#readme`,
        repository: { type: "git", url: repository, directory: `packages/${name}` }
      }
    )
  })

  it.each(names)("%s is built before it is packed, from a clone too", (name) => {
    const page = { page: "vite build page", prepack: "tsc -b && vite build page" }
    assert.deepStrictEqual(manifestOf(name).scripts, name === "console" ? page : { prepack: "tsc -b" })
  })

  it.each(names)("%s says in its README how it is installed, with what it asks for, and in which Node", (name) => {
    const { catalogs } = parse(read("pnpm-workspace.yaml"))
    const { engines, peerDependencies = {} } = manifestOf(name)
    const readme = read("packages", name, "README.md")
    const [, line = ""] = /`npm install ([^`]+)`/.exec(readme) ?? []
    assert.includeMembers(line.split(" "), [
      `@effect-dsql/${name}`,
      ...Object.keys(peerDependencies).map((peer) => `${peer}@${catalogs.published[peer].replace(/\.0$/, "")}`)
    ])
    assert.include(readme, `Node ${engines.node.replace(">=", "")}`)
  })

  it.each(names)("%s is found by what one would look for, each word once and in order", (name) => {
    const { keywords } = manifestOf(name)
    assert.includeMembers(keywords, ["aurora-dsql", "effect", "postgresql"])
    assert.deepStrictEqual(keywords, [...new Set<string>(keywords)].toSorted())
    assert.isAbove(keywords.length, 4)
  })

  it.each(names)("%s says which Node it needs, and that a bundler may drop what is not used", (name) => {
    const { engines, sideEffects } = manifestOf(name)
    assert.deepStrictEqual({ engines, sideEffects }, { engines: { node: ">=22.19" }, sideEffects: [] })
  })

  it.each(names)("%s has a README, a changelog and a page for agents whose links lead somewhere from npm", (name) => {
    const pages = ["AGENTS.md", "CHANGELOG.md", "README.md"].map((page) => read("packages", name, page))
    assert.deepStrictEqual(
      pages.flatMap(linksOf).filter((link) => !leads(link)),
      []
    )
  })

  it.each(names)("%s asks for ranges of Effect and of the AWS SDK", (name) => {
    const { catalogs } = parse(read("pnpm-workspace.yaml"))
    const { dependencies = {}, peerDependencies = {} } = manifestOf(name)
    for (const [other, range] of Object.entries({ ...dependencies, ...peerDependencies })) {
      if (!/^(effect$|@effect\/|@aws-sdk\/)/.test(other)) continue
      assert.strictEqual(range, "catalog:published", other)
      assert.match(catalogs.published[other], /^\^\d/, other)
    }
  })
})

it("a relative link, a file that is not there and a package that is not ours lead nowhere from npm", () => {
  const links = linksOf(
    `[a](../../docs/cli.md) [b](${forge}/blob/main/docs/none.md) [c](https://www.npmjs.com/package/@effect-dsql/none)`
  )
  assert.lengthOf(links, 3)
  assert.deepStrictEqual(links.filter(leads), [])
})
