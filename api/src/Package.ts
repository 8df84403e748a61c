/**
 * What a package offers to whoever imports it, read from the declarations that the compiler emitted.
 */
import { globSync, readFileSync } from "node:fs"
import { basename, join, sep } from "node:path"
import ts from "typescript"

export interface Package {
  /** Its name on npm. */
  readonly name: string
  readonly modules: ReadonlyArray<Module>
  readonly checker: ts.TypeChecker
}

/** A module that can be imported. */
export interface Module {
  /** What one imports it by. */
  readonly path: string
  readonly file: ts.SourceFile
  /** What the comment at the head of its source promises; an index has no promise of its own. */
  readonly stability: string | undefined
  /** In alphabetical order. */
  readonly exports: ReadonlyArray<Export>
}

export interface Export {
  readonly name: string
  /** Its declarations, wherever they stand; none where another package declares it. */
  readonly declarations: ReadonlyArray<ts.Declaration>
  /** The statement that exports it from where it is declared, if that is elsewhere. */
  readonly from: ts.ExportDeclaration | undefined
}

/** Whether a file is one of those that nobody imports. */
export const isInternal = (file: ts.SourceFile): boolean => file.fileName.includes("/dist/internal/")

/** What a name stands for, behind all imports and exports. */
export const target = (symbol: ts.Symbol, checker: ts.TypeChecker): ts.Symbol =>
  (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)

/**
 * Reads the package of a directory. Its sources say which modules there are, because `dist` keeps those that are
 * gone. Only its own declarations are read: to know who declares a name takes no more, and Effect's take seconds.
 */
export const read = (directory: string): Package => {
  const { exports, name }: { readonly exports: Readonly<Record<string, unknown>>; readonly name: string } = JSON.parse(
    readFileSync(join(directory, "package.json"), "utf8")
  )
  const sources = join(directory, "src")
  const emitted = (pattern: string) =>
    globSync(pattern, { cwd: sources })
      .toSorted()
      .map((source) => join(directory, "dist", source.replace(/\.ts$/, ".d.ts")).replaceAll(sep, "/"))
  const program = ts.createProgram(emitted("**/*.ts"), {
    module: ts.ModuleKind.NodeNext,
    allowImportingTsExtensions: true,
    noLib: true,
    noResolve: true,
    types: []
  })
  const checker = program.getTypeChecker()
  const modules = emitted("*.ts").flatMap((fileName): ReadonlyArray<Module> => {
    const file = program.getSourceFile(fileName)
    if (file === undefined) throw new Error(`${fileName} is missing: run tsc -b`)
    const module = basename(fileName, ".d.ts")
    const exported = exportsOf(file, checker)
    if (module === "index") return [{ path: name, file, stability: undefined, exports: exported }]
    if (exports[`./${module}`] === null) return []
    const stability = stabilityOf(readFileSync(join(sources, `${module}.ts`), "utf8"))
    return [{ path: `${name}/${module}`, file, stability, exports: exported }]
  })
  return { name, modules, checker }
}

/** Read from the source: the compiler drops the comment from the declarations where it drops the import below it. */
const stabilityOf = (source: string): string | undefined => {
  const [head] = ts.getLeadingCommentRanges(source, 0) ?? []
  return head && /@stability (\w+)/.exec(source.slice(head.pos, head.end))?.[1]
}

const exportsOf = (file: ts.SourceFile, checker: ts.TypeChecker): ReadonlyArray<Export> => {
  const module = checker.getSymbolAtLocation(file)
  const symbols = module === undefined ? [] : checker.getExportsOfModule(module)
  return symbols
    .map((symbol): Export => ({
      name: symbol.name,
      declarations: target(symbol, checker).declarations ?? [],
      from: symbol.declarations
        ?.map((declaration) => ts.findAncestor(declaration, ts.isExportDeclaration))
        .find(Boolean)
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}
