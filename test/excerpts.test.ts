/**
 * The pages that are cut from programs: a block with a title is that file, or lines of it. So what a page shows is what
 * the tests of the program have run.
 */
import { assert, describe, it } from "@effect/vitest"
import { globSync } from "node:fs"
import { join } from "node:path"
import { expect } from "vitest"
import { blocksOf, read, root, withFiles } from "./pages.ts"

const titlesOf = (page: string) =>
  blocksOf(read(page)).flatMap(({ language, title }) => (title === undefined || language === "sh" ? [] : [title]))

describe("docs/getting-started.md", () => {
  it("shows the files of examples/orders as they are: `vitest run test/excerpts.test.ts -u` writes them in", async () => {
    const page = "docs/getting-started.md"
    const shown = withFiles(read(page), (title) => read(join("examples/orders", title)))
    await expect(shown).toMatchFileSnapshot(join(root, page))
  })

  it("shows all that the program needs, and all of its tests but the one that starts it", () => {
    const files = globSync("{src,schema,test}/**/*.{ts,sql,json}", { cwd: join(root, "examples/orders") })
    assert.sameMembers(titlesOf("docs/getting-started.md"), [
      "tsconfig.json",
      "effect-dsql.json",
      ...files.filter((file) => file !== "test/main.test.ts")
    ])
  })
})

describe("docs/cluster.md", () => {
  it("shows the files of examples/cluster as they are: `-u` writes them in, too", async () => {
    const page = "docs/cluster.md"
    const shown = withFiles(read(page), (title) => read(join("examples/cluster", title)))
    await expect(shown).toMatchFileSnapshot(join(root, page))
  })

  it("shows the whole program, and the test of its workflow", () => {
    const files = globSync("src/*.ts", { cwd: join(root, "examples/cluster") })
    assert.sameMembers(titlesOf("docs/cluster.md"), [...files, "test/Order.test.ts"])
  })
})

// A block's title is not to be seen wherever Markdown is read.
it.each(["docs/getting-started.md", "docs/testing.md", "docs/cluster.md"])(
  "%s names each file above what it holds",
  (page) => {
    const text = read(page)
    for (const title of titlesOf(page)) {
      const above = text.slice(0, text.indexOf(` title="${title}"`)).split("\n")
      assert.strictEqual(above.at(-3), `**${title}**`)
    }
  }
)

describe("docs/testing.md", () => {
  const cut = blocksOf(read("docs/testing.md")).flatMap(({ text, title }) =>
    title === undefined ? [] : [[title, text] as const]
  )

  it.each(cut)("shows lines of %s as they are", (title, text) => {
    assert.include(read(title), text)
  })

  it("shows some", () => {
    assert.lengthOf(cut, 2)
  })
})
