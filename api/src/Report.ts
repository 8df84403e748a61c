/**
 * The public API of a package as a page to review: every export of every module with its full type.
 *
 * What does not change the API does not change the page: comments are left out, declarations and unions are sorted
 * (their order changes with what the compiler has built before), and a type is spelled the same whether
 * the compiler found an import for it or wrote `import("…")`.
 */
import { readFileSync } from "node:fs"
import { basename, extname } from "node:path"
import { format, type FormatConfig } from "oxfmt"
import ts from "typescript"
import type * as Package from "./Package.ts"
import * as Surface from "./Surface.ts"

/** As all our code is formatted. */
const style: FormatConfig = JSON.parse(readFileSync(new URL("../../.oxfmtrc.json", import.meta.url), "utf8"))

/** The page, in Markdown. */
export const markdown = async (self: Package.Package): Promise<string> => {
  const sections = await Promise.all(
    self.modules.map(async (module) =>
      [
        `## ${module.path}\n`,
        ...(module.stability === undefined ? [] : [`Stability: ${module.stability}.\n`]),
        `\`\`\`ts\n${await code(module, self)}\`\`\`\n`
      ].join("\n")
    )
  )
  return [`# The public API of ${self.name}\n\nWritten by \`pnpm api\`: do not edit.\n`, ...sections].join("\n")
}

const code = async (module: Package.Module, self: Package.Package): Promise<string> => {
  const own = Surface.of(module, self).map(({ declaration, name }) => ({
    name,
    text: print(Surface.statementOf(declaration))
  }))
  const others = module.exports.flatMap(({ declarations, from, name }) =>
    from === undefined || declarations.some((declaration) => Surface.isDeclaredFor(module, declaration))
      ? []
      : [{ name, text: print(from) }]
  )
  const texts = [...own, ...others]
    .toSorted((a, b) => compare(a.name, b.name) || compare(a.text, b.text))
    .map(({ text }) => text)
  const formatted = await format("api.d.ts", [...new Set(texts)].join("\n\n"), style)
  if (formatted.errors[0] !== undefined) throw new Error(`${module.path}: ${formatted.errors[0].message}`)
  return formatted.code
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const printer = ts.createPrinter({ removeComments: true })

const print = (node: ts.Node, file = node.getSourceFile()): string =>
  ts
    .transform(node, [canonical(file)])
    .transformed.map((it) => printer.printNode(ts.EmitHint.Unspecified, it, file))
    .join("\n")

/** Sorts unions, and names a type by its module where the compiler wrote out the module's path. */
const canonical =
  (file: ts.SourceFile): ts.TransformerFactory<ts.Node> =>
  (context) => {
    const visit = (node: ts.Node): ts.Node => {
      const inner = ts.visitEachChild(node, visit, context)
      if (ts.isUnionTypeNode(inner)) {
        const text = (member: ts.TypeNode) => printer.printNode(ts.EmitHint.Unspecified, member, file)
        return ts.factory.createUnionTypeNode(inner.types.toSorted((a, b) => compare(text(a), text(b))))
      }
      if (ts.isImportTypeNode(inner) && !inner.isTypeOf && inner.qualifier && ts.isIdentifier(inner.qualifier)) {
        const name = ts.factory.createQualifiedName(ts.factory.createIdentifier(moduleOf(inner)), inner.qualifier)
        return ts.factory.createTypeReferenceNode(name, inner.typeArguments)
      }
      return inner
    }
    return (node) => ts.visitNode(node, visit)
  }

/** What Effect's style calls the module of `import("effect/Option").Option`. */
const moduleOf = ({ argument }: ts.ImportTypeNode): string => {
  const path = ts.isLiteralTypeNode(argument) && ts.isStringLiteral(argument.literal) ? argument.literal.text : ""
  return basename(path, extname(path))
}
