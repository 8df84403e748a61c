/**
 * What somebody who imports a module sees of it: its exports, and the parts of the module that they are made of.
 */
import ts from "typescript"
import * as Package from "./Package.ts"

/** A declaration that an importer sees. */
export interface Visible {
  /** The name it is exported by, or the name of the export that it is a part of. */
  readonly name: string
  readonly declaration: ts.Declaration
  /** What it names that an importer cannot get at. */
  readonly hidden: ReadonlySet<string>
}

/** The visible declarations of a module, each once. What another module of the package exports is not repeated. */
export const of = (module: Package.Module, { checker, modules }: Package.Package): ReadonlyArray<Visible> => {
  const exported = new Set(modules.flatMap((it) => it.exports.flatMap(({ declarations }) => declarations)))
  const visible = new Map<ts.Declaration, Visible>()
  const see = (name: string, declaration: ts.Declaration): void => {
    if (visible.has(declaration)) return
    const hidden = new Set<string>()
    const parts: Array<ts.Declaration> = []
    visible.set(declaration, { name, declaration, hidden })
    for (const [named, target] of namedIn(declaration, checker)) {
      if (target === undefined) hidden.add(`${named}, which is @internal`)
      else if (exported.has(target)) continue
      else if (target.getSourceFile() === declaration.getSourceFile() && !isExported(target)) parts.push(target)
      else hidden.add(`${named} of ${/internal\/.*(?=\.d\.ts$)/.exec(target.getSourceFile().fileName)?.[0]}`)
    }
    for (const part of parts) see(name, part)
  }
  for (const { declarations, name } of module.exports) {
    for (const declaration of declarations) {
      if (isDeclaredFor(module, declaration)) see(name, declaration)
    }
  }
  return [...visible.values()]
}

/** Whether a module is where an importer gets at a declaration first: it is its own, or it is of an internal module. */
export const isDeclaredFor = ({ file }: Package.Module, declaration: ts.Declaration): boolean =>
  !ts.isSourceFile(declaration) &&
  (declaration.getSourceFile() === file || Package.isInternal(declaration.getSourceFile()))

/** The statement that a top-level declaration is, or stands in. */
export const statementOf = (declaration: ts.Declaration): ts.Node =>
  ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration

const isTopLevel = (declaration: ts.Declaration): boolean =>
  !ts.isSourceFile(declaration) && ts.isSourceFile(statementOf(declaration).parent)

const isExported = (declaration: ts.Declaration): boolean =>
  (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Export) !== 0

/** The names in a declaration that its package declares, or should: one that is gone from there has no target. */
const namedIn = (
  declaration: ts.Declaration,
  checker: ts.TypeChecker
): ReadonlyArray<readonly [name: string, target: ts.Declaration | undefined]> => {
  const named: Array<readonly [string, ts.Declaration | undefined]> = []
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      const symbol = checker.getSymbolAtLocation(node)
      const targets = (symbol && Package.target(symbol, checker).declarations) ?? []
      for (const target of targets) if (isTopLevel(target)) named.push([node.text, target])
      if (targets.length === 0 && isGone(node, symbol, checker)) named.push([node.text, undefined])
    }
    ts.forEachChild(node, visit)
  }
  visit(declaration)
  return named
}

/** Whether a name without a declaration is sought in the package itself: others are not read. */
const isGone = (node: ts.Identifier, symbol: ts.Symbol | undefined, checker: ts.TypeChecker): boolean => {
  const specifier = symbol?.declarations?.find(ts.isImportSpecifier)
  if (specifier !== undefined) return isRelative(specifier.parent.parent.parent.moduleSpecifier)
  const { parent } = node
  if (ts.isImportTypeNode(parent)) return ts.isLiteralTypeNode(parent.argument) && isRelative(parent.argument.literal)
  if (!ts.isQualifiedName(parent) || parent.right !== node) return false
  const left = checker.getSymbolAtLocation(parent.left)
  return left !== undefined && (Package.target(left, checker).flags & ts.SymbolFlags.ValueModule) !== 0
}

const isRelative = (specifier: ts.Node): boolean => ts.isStringLiteral(specifier) && specifier.text.startsWith(".")
