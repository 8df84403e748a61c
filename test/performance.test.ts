/**
 * Every picture of `docs/performance.md` says which command, machine and versions made it; no other is left over.
 */
import { assert, describe, it } from "@effect/vitest"
import { globSync } from "node:fs"
import { read, root } from "./pages.ts"

const page = read("docs/performance.md")

const pictures = globSync("docs/performance-*.svg", { cwd: root }).toSorted()

describe("docs/performance.md", () => {
  it("shows each picture that `pnpm bench --chart` draws", () => {
    const shown = [...page.matchAll(/\]\((performance-\w+\.svg)\)/g)].map(([, file = ""]) => `docs/${file}`)
    assert.isNotEmpty(shown)
    assert.deepStrictEqual(shown.toSorted(), pictures)
  })

  it.each(pictures)("says which command drew %s, and on what, as the picture does", (picture) => {
    const captions = [...read(picture).matchAll(/class="caption">([^<]+)</g)].map(([, line]) => line)
    const [, name] = /performance-(\w+)/.exec(picture) ?? []
    assert.match(captions[0] ?? "", new RegExp(`^pnpm bench --chart ${name}, \\d{4}-\\d{2}-\\d{2}$`))
    assert.include(page, `pnpm bench --chart ${name}`)
    assert.match(captions[1] ?? "", /^\d+ × .+ GiB/)
    assert.include(page, captions[1] ?? "")
    assert.match(captions.slice(2).join(", "), /^node \d.*@effect-dsql\/core \d/)
  })

  it.each(pictures)("has %s dark where the reader's page is", (picture) => {
    assert.include(read(picture), "@media (prefers-color-scheme: dark)")
  })
})
