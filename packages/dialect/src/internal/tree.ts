/**
 * The parse tree, typed: which nodes there are and a walk over all of them.
 */
import type { Node } from "libpg-query"

type KeysOf<T> = T extends unknown ? keyof T : never

/** The name of a node, for example `SelectStmt`. */
export type Tag = KeysOf<Node>

/** The fields of the node with this name. */
export type Fields<T extends Tag> = Extract<Node, { readonly [K in T]: unknown }>[T]

/** One node of any name, as a pair that a `switch` on `tag` narrows. */
export type Tagged = { [T in Tag]: { readonly tag: T; readonly node: Fields<T> } }[Tag]

/** The node's name and fields. */
export const tagged = (node: Node): Tagged => {
  const [entry] = Object.entries(node)
  if (entry === undefined) throw new TypeError("a parse tree node without a name")
  // A Node has exactly one key, its tag, whose value is that tag's fields: this is what @pgsql/types says of it.
  return { tag: entry[0], node: entry[1] } as Tagged
}

/** The fields of a node if it has this name. */
export const as = <T extends Tag>(node: Node | undefined, tag: T): Fields<T> | undefined =>
  // `tag in node` is the discriminator of the union; an index signature is all that TypeScript can follow here.
  node !== undefined && tag in node ? (node as unknown as { readonly [K in T]: Fields<T> })[tag] : undefined

/** The text of a `String` node, as lists of names are made of. */
export const name = (node: Node | undefined): string | undefined => as(node, "String")?.sval

/** The names in a list of `String` nodes. */
export const names = (nodes: ReadonlyArray<Node> | undefined): ReadonlyArray<string> =>
  (nodes ?? []).flatMap((node) => name(node) ?? [])

/** Whether an option's value says no; an option without a value says yes. Zero and false are left out of the tree. */
export const isOff = (value: Node | undefined): boolean => {
  const text = name(value)?.toLowerCase()
  const integer = as(value, "Integer")
  const boolean = as(value, "Boolean")
  return (
    text === "false" ||
    text === "off" ||
    (integer !== undefined && (integer.ival ?? 0) === 0) ||
    (boolean !== undefined && boolean.boolval !== true)
  )
}

/** Fields that hold a node's fields without its name, and the name that they lack. */
const bare: Readonly<Record<string, Tag>> = {
  larg: "SelectStmt",
  rarg: "SelectStmt",
  withClause: "WithClause",
  onConflictClause: "OnConflictClause",
  typeName: "TypeName",
  argType: "TypeName",
  returnType: "TypeName",
  relation: "RangeVar",
  rel: "RangeVar",
  pktable: "RangeVar",
  collClause: "CollateClause",
  over: "WindowDef"
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

const tagOf = (value: object): Tag | undefined => {
  for (const key in value) {
    const first = key.charCodeAt(0)
    // Names of nodes begin with a capital, names of fields do not.
    return first >= 65 && first <= 90 ? (key as Tag) : undefined
  }
  return undefined
}

/**
 * Calls for every node, parents first and siblings in the order of the tree. Keeps its own stack: a chain of ten
 * thousand operators is a tree as deep.
 */
export const each = (root: Node, visit: (tag: Tag, fields: object) => void): void => {
  const pending: Array<readonly [tag: Tag | undefined, value: object]> = [[undefined, root]]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [tag, value] = next
    if (Array.isArray(value)) {
      for (let i = value.length - 1; i >= 0; i--) if (isObject(value[i])) pending.push([undefined, value[i]])
      continue
    }
    const wrapped = tag === undefined ? tagOf(value) : undefined
    if (wrapped !== undefined) {
      for (const fields of Object.values(value)) if (isObject(fields)) pending.push([wrapped, fields])
      continue
    }
    if (tag !== undefined) visit(tag, value)
    const entries = Object.entries(value)
    for (let i = entries.length - 1; i >= 0; i--) {
      const entry = entries[i]
      if (entry === undefined || !isObject(entry[1])) continue
      const isWrapped = Array.isArray(entry[1]) || tagOf(entry[1]) !== undefined
      pending.push([isWrapped ? undefined : bare[entry[0]], entry[1]])
    }
  }
}

/** One optional function per name of a node. */
export type Visitor = { readonly [T in Tag]?: (node: Fields<T>) => void }

/** Calls the visitor's function for every node that it names. */
export const walk = (root: Node, visitor: Visitor): void => {
  // A function is kept under the tag of the node that it takes.
  const functions = visitor as { readonly [tag: string]: ((fields: object) => void) | undefined }
  each(root, (tag, fields) => functions[tag]?.(fields))
}
