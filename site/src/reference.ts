/**
 * Writes `site/api`: a page for each public module of each package, from its declarations and comments.
 */
import { globSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Application } from "typedoc"
import type { PluginOptions } from "typedoc-plugin-markdown"
import { root } from "./Pages.ts"

const out = join(root, "site/api")

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
  tsconfig: join(root, "site/tsconfig.json"),
  entryPoints: globSync("packages/*/src/[A-Z]*.ts", { cwd: root }).map((file) => join(root, file)),
  displayBasePath: join(root, "packages"),
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
  outputs: [{ name: "markdown", path: out }],
  ...options
})

const project = await app.convert()
if (project === undefined) throw new Error("the declarations do not compile")
// `core/src/Transaction` is imported as `@effect-dsql/core/Transaction`.
for (const module of project.children ?? []) module.name = module.name.replace("/src/", "/")
app.validate(project)
rmSync(out, { recursive: true, force: true })
await app.generateOutputs(project)
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1
