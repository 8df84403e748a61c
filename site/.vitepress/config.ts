import { slug } from "github-slugger"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { defineConfig, type DefaultTheme } from "vitepress"
import { documents, forge, fromRoot, link, pages, placeOf, root } from "../src/Pages.ts"

/** The title of a page: its first heading. */
const titleOf = (page: string): string => /^# (.+)$/m.exec(readFileSync(join(root, page), "utf8"))?.[1] ?? page

const entry = (page: string, text = titleOf(page)): DefaultTheme.SidebarItem => ({
  text,
  link: `/${placeOf(page).replace(/(index)?\.md$/, "")}`
})

const guide = (text: string, names: ReadonlyArray<string>): DefaultTheme.SidebarItem => ({
  text,
  items: names.map((name) => entry(`docs/${name}.md`))
})

/** The pages that no section names, so that a new one is in the list before somebody has placed it. */
const rest = (sections: ReadonlyArray<ReadonlyArray<string>>) =>
  pages
    .filter((page) => page.startsWith("docs/"))
    .map((page) => page.slice("docs/".length, -".md".length))
    .filter((name) => !sections.flat().includes(name))

const begin = ["getting-started", "overview", "testing", "from-postgresql", "from-temporal-dsql-tool", "glossary"]
const write = ["retrying", "fencing", "round-trips", "performance", "queues", "cluster"]
const stores = ["executions", "temporal"]
const change = ["migrations", "writing-migrations", "migration-guide"]
const look = ["configuration", "errors", "metrics", "console", "cli"]
const releases = ["versioning", "upgrading"]
const known = (names: ReadonlyArray<string>) => names.filter((name) => pages.includes(`docs/${name}.md`))

const packages = [
  "core",
  "dialect",
  "schema",
  "persistence",
  "storage",
  "cluster",
  "emulator",
  "console",
  "testing",
  "simulator",
  "cli"
]
const others = pages
  .flatMap((page) => /^packages\/([^/]+)\/README\.md$/.exec(page)?.[1] ?? [])
  .filter((name) => !packages.includes(name))

const modulesOf = (name: string) => pages.filter((page) => page.startsWith(`site/api/${name}/`))

const packageOf = (name: string): DefaultTheme.SidebarItem => ({
  text: `@effect-dsql/${name}`,
  collapsed: true,
  items: [
    entry(`packages/${name}/README.md`, "About"),
    ...modulesOf(name).map((page) => entry(page, page.slice(`site/api/${name}/`.length, -".md".length))),
    ...pages
      .filter((page) => page.startsWith(`packages/${name}/`) && !page.endsWith("/README.md"))
      .map((page) => entry(page, titleOf(page).replace(/^@effect-dsql\/.*/, "Changes")))
  ]
})
const reference = [{ text: "All modules", link: "/api/" }, ...[...packages, ...others].map(packageOf)]

const guides: Array<DefaultTheme.SidebarItem> = [
  { text: "Begin", items: [...known(begin).map((name) => entry(`docs/${name}.md`)), entry("examples/README.md")] },
  guide("Read and write", known(write)),
  guide("Temporal's stores", known(stores)),
  guide("Change a schema", known(change)),
  guide("Look up", [...known(look), ...rest([begin, write, stores, change, look, releases])]),
  guide("Releases", known(releases))
]

/** The page that is rendered; none where it is a text of the theme. */
const sourceOf = ({ path, realPath = path }: { readonly path?: string; readonly realPath?: string }) =>
  realPath === undefined ? undefined : fromRoot(realPath)

// Where the forge shows it: below the repository's name.
const base = process.env["SITE_BASE"] ?? "/"

export default defineConfig({
  title: "effect-dsql",
  description: "A persistence toolkit for Amazon Aurora DSQL, written with Effect",
  lang: "en",
  base,
  head: [["link", { rel: "icon", type: "image/svg+xml", href: `${base}icon.svg` }]],
  srcDir: "..",
  srcExclude: documents.filter((path) => !pages.includes(path)),
  rewrites: placeOf,
  cleanUrls: false,
  metaChunk: true,
  markdown: {
    // As the forge does, so that a link to a heading leads there on both.
    anchor: { slugify: slug },
    theme: { light: "github-light-high-contrast", dark: "github-dark" },
    config: (md) => {
      // What looks like a tag in the repository's Markdown is text, and so are its double braces.
      md.core.ruler.before("normalize", "text", (state) => {
        state.md.options.html = sourceOf(state.env)?.startsWith("site/") ?? true
      })
      md.renderer.rules["text"] = (tokens, index) =>
        md.utils.escapeHtml(tokens[index]?.content ?? "").replaceAll("{{", "&#123;&#123;")
      // Where commands are typed stands above them; the name of a file is in the page anyway.
      const { fence } = md.renderer.rules
      md.renderer.rules.fence = (tokens, index, ...rest) => {
        const title = /^sh title="([^"]+)"/.exec(tokens[index]?.info ?? "")?.[1]
        const caption = title === undefined ? "" : `<p class="file" v-pre>${md.utils.escapeHtml(title)}</p>`
        return caption + (fence?.(tokens, index, ...rest) ?? "")
      }
      md.core.ruler.push("links", (state) => {
        const page = sourceOf(state.env)
        if (page === undefined) return
        for (const token of state.tokens.flatMap(({ children }) => children ?? [])) {
          const href = token.attrGet("href")
          if (token.type === "link_open" && href !== null) token.attrSet("href", link(page, href))
        }
      })
    }
  },
  themeConfig: {
    logo: "/icon.svg",
    search: { provider: "local" },
    nav: [
      { text: "Guide", link: "/docs/getting-started", activeMatch: "^/docs/" },
      { text: "Simulator", link: "/simulator" },
      { text: "Reference", link: "/api/", activeMatch: "^/(api|packages)/" }
    ],
    sidebar: { "/": guides, "/api/": reference, "/packages/": reference },
    outline: { level: [2, 3] },
    socialLinks: [{ icon: "github", link: forge }],
    footer: { message: "MIT licence" }
  },
  vite: {
    publicDir: join(import.meta.dirname, "../public"),
    resolve: {
      alias: [/^node:(buffer|crypto|net|tls)$/, /^@aws-sdk\/.+/].map((find) => ({
        find,
        replacement: join(import.meta.dirname, "theme/absent.ts")
      }))
    },
    // Vite's esbuild is older than the target of the packages.
    esbuild: { tsconfigRaw: { compilerOptions: { target: "esnext" } } },
    worker: { format: "es" },
    build: { chunkSizeWarningLimit: 4000 },
    plugins: [
      {
        // The documents stand where no `vue` can be found from; what is rendered of them stands where it can.
        name: "vue-of-the-site",
        enforce: "pre",
        resolveId: (id, _, { ssr = false }) =>
          ssr && /^vue(\/server-renderer)?$/.test(id) ? { id, external: true } : undefined
      }
    ],
    server: { fs: { allow: [root] } }
  }
})
