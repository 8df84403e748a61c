/**
 * Writes `site/api`: a page for each public module of each package, from its declarations and comments, and an index.
 */
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Application, Comment, ReflectionKind } from "typedoc"
import { MarkdownPageEvent, type PluginOptions } from "typedoc-plugin-markdown"
import { root } from "./Pages.ts"

const out = join(root, "site/api")

interface Module {
  /** As one imports it, without the scope: `core/Transaction`. */
  readonly path: string
  readonly description: string
  readonly stability: string
}

/** What the comment at the head of a module's source says. */
const moduleOf = (file: string): Module => {
  const head = /^\/\*\*\n(.*?)\*\//s.exec(readFileSync(join(root, file), "utf8"))?.[1] ?? ""
  const text = head.replaceAll(/^ \* ?/gm, "")
  return {
    path: file.replace(/^packages\/(.+)\/src\/(.+)\.ts$/, "$1/$2"),
    description: text.split(/^@/m)[0]?.trim() ?? "",
    stability: /@stability (\w+)/.exec(text)?.[1] ?? ""
  }
}

const modules = new Map(
  globSync("packages/*/src/[A-Z]*.ts", { cwd: root })
    .toSorted()
    .map((file) => [file, moduleOf(file)])
)

const options: PluginOptions = {
  outputFileStrategy: "modules",
  entryFileName: "index",
  hidePageHeader: true,
  hideBreadcrumbs: true,
  hideGroupHeadings: true,
  useCodeBlocks: true,
  expandObjects: true,
  parametersFormat: "table",
  interfacePropertiesFormat: "table",
  typeAliasPropertiesFormat: "table",
  typeDeclarationFormat: "table",
  sanitizeComments: true
}

const app = await Application.bootstrapWithPlugins({
  plugin: ["typedoc-plugin-markdown"],
  name: "Reference",
  readme: "none",
  tsconfig: join(root, "site/tsconfig.reference.json"),
  entryPoints: [...modules.keys()].map((file) => join(root, file)),
  displayBasePath: join(root, "packages"),
  outputs: [{ name: "markdown", path: out }],
  blockTags: ["@category", "@example", "@param", "@returns", "@since", "@stability", "@see", "@deprecated"],
  categorizeByGroup: false,
  excludeExternals: true,
  excludeInternal: true,
  excludePrivate: true,
  disableSources: true,
  githubPages: false,
  skipErrorChecking: true,
  validation: { invalidLink: true, notExported: false, notDocumented: false },
  treatWarningsAsErrors: true,
  logLevel: "Warn",
  ...options
})

const project = await app.convert()
if (project === undefined) throw new Error("the declarations do not compile")

for (const reflection of project.getReflectionsByKind(ReflectionKind.Module)) {
  const module = modules.get(`packages/${reflection.name}.ts`)
  if (module === undefined) throw new Error(`${reflection.name} is no module`)
  reflection.name = module.path
  reflection.comment = new Comment([{ kind: "text", text: module.description }])
}

app.renderer.on(MarkdownPageEvent.END, (page) => {
  const module = [...modules.values()].find(({ path }) => page.url === `${path}.md`)
  if (module === undefined || page.contents === undefined) return
  const [name, own] = module.path.split("/")
  const head = [
    `# ${own}`,
    `<Badge type="${module.stability === "stable" ? "tip" : "warning"}" text="${module.stability}" />`,
    `\`\`\`ts\nimport { ${own} } from "@effect-dsql/${name}"\n\`\`\``
  ]
  page.contents = page.contents
    .replace(/^# .*\n/, `${head.join("\n\n")}\n`)
    // A line rather than a section for each of them.
    .replaceAll(/^## [a-z]/gm, (category) => category.toUpperCase())
    .replaceAll(/^#+ Since\n\n(\S+)$/gm, "Since $1")
})

app.validate(project)
rmSync(out, { recursive: true, force: true })
await app.generateOutputs(project)
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1

/** The first sentence of a description, in a row of a table. */
const sentence = (text: string): string => (/^.*?\.(?=\s|$)/s.exec(text)?.[0] ?? text).replaceAll(/\s+/g, " ")

const packages = [...Map.groupBy(modules.values(), ({ path }) => path.split("/")[0] ?? "")].map(([name, members]) => {
  const { description } = JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8"))
  const rows = members.map(
    ({ description: text, path, stability }) =>
      `| [${path.slice(name.length + 1)}](${path}.md) | ${sentence(text)} | ${stability} |`
  )
  return [`## @effect-dsql/${name}\n`, `${description}.\n`, "| module | | |", "| --- | --- | --- |", ...rows].join("\n")
})

mkdirSync(out, { recursive: true })
writeFileSync(
  join(out, "index.md"),
  `# Reference\n\nEvery public module, from its comments. [versioning](../../docs/versioning.md) says what stable means.\n\n${packages.join("\n\n")}\n`
)
