/**
 * The links of a document, and what in it can be linked to.
 */
import GithubSlugger from "github-slugger"
import MarkdownIt from "markdown-it"

const parser = new MarkdownIt({ html: true })

const inline = (markdown: string) => parser.parse(markdown, {}).flatMap(({ children }) => children ?? [])

/** Where a document's links and pictures lead, in order. */
export const linksOf = (markdown: string): ReadonlyArray<string> =>
  inline(markdown).flatMap((token) => token.attrGet("href") ?? token.attrGet("src") ?? [])

/** The fragments that a document's headings are found by, on the forge and on the site. */
export const fragmentsOf = (markdown: string): ReadonlySet<string> => {
  const slugger = new GithubSlugger()
  const tokens = parser.parse(markdown, {})
  const headings = tokens.filter((_, index) => tokens[index - 1]?.type === "heading_open")
  const textOf = ({ children }: (typeof headings)[number]) => (children ?? []).map(({ content }) => content).join("")
  return new Set(headings.map((heading) => slugger.slug(textOf(heading))))
}
