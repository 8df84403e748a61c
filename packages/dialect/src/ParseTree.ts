/**
 * Reading PostgreSQL's raw parse trees, with types: which nodes there are, what
 * a node holds, and a walk over all of them.
 *
 * A tree is plain JSON as `libpg-query` gives it. A node is an object with one
 * key, its tag, whose value is its fields; what is zero, empty or false is left
 * out. Where only one kind of node can stand, a field holds the fields alone.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { Node } from "libpg-query"

/**
 * A node of any kind, for example `{ SelectStmt: { … } }`.
 *
 * @since 0.1.0
 * @category models
 */
export type { Node } from "libpg-query"

type KeysOf<T> = T extends unknown ? keyof T : never

/**
 * The kind of a node, for example `SelectStmt`.
 *
 * @since 0.1.0
 * @category models
 */
export type Tag = KeysOf<Node>

/**
 * The fields of a node of this kind.
 *
 * @since 0.1.0
 * @category models
 */
export type Fields<T extends Tag> = Extract<Node, { readonly [K in T]: unknown }>[T]

/**
 * One node of any kind, as a pair that a `switch` on `tag` narrows.
 *
 * @since 0.1.0
 * @category models
 */
export type Tagged = { [T in Tag]: { readonly tag: T; readonly node: Fields<T> } }[Tag]

/**
 * One optional function for each kind of node.
 *
 * @since 0.1.0
 * @category models
 */
export type Visitor = { readonly [T in Tag]?: (node: Fields<T>) => void }

/**
 * A node's kind and its fields. Throws a TypeError for an object without a key, which no parser makes.
 *
 * @since 0.1.0
 * @category accessors
 */
export const tagged = (node: Node): Tagged => {
  const [entry] = Object.entries(node)
  if (entry === undefined) throw new TypeError("a parse tree node without a name")
  // A Node has exactly one key, its tag, whose value is that tag's fields: this is what @pgsql/types says of it.
  return { tag: entry[0], node: entry[1] } as Tagged
}

/**
 * The fields of a node if it is of this kind.
 *
 * @example
 * ```ts
 * import { ParseTree, type Statement } from "@effect-dsql/dialect"
 *
 * const indexName = (statement: Statement.Statement) => ParseTree.as(statement.node, "IndexStmt")?.idxname
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const as = <T extends Tag>(node: Node | undefined, tag: T): Fields<T> | undefined =>
  // `tag in node` is the discriminator of the union; an index signature is all that TypeScript can follow here.
  node !== undefined && tag in node ? (node as unknown as { readonly [K in T]: Fields<T> })[tag] : undefined

/**
 * The fields of those nodes of a list that are of this kind.
 *
 * @since 0.1.0
 * @category accessors
 */
export const all = <T extends Tag>(nodes: ReadonlyArray<Node> | undefined, tag: T): ReadonlyArray<Fields<T>> =>
  (nodes ?? []).flatMap((node) => as(node, tag) ?? [])

/**
 * The text of a `String` node, as lists of names are made of.
 *
 * @since 0.1.0
 * @category accessors
 */
export const name = (node: Node | undefined): string | undefined => as(node, "String")?.sval

/**
 * The names in a list of `String` nodes: the parts of a qualified name, the columns of a key.
 *
 * @since 0.1.0
 * @category accessors
 */
export const names = (nodes: ReadonlyArray<Node> | undefined): ReadonlyArray<string> =>
  all(nodes, "String").flatMap(({ sval }) => sval ?? [])

/**
 * The text of a constant that is one, such as an argument in quotes.
 *
 * @since 0.1.0
 * @category accessors
 */
export const text = (node: Node | undefined): string | undefined => {
  const sval = as(node, "A_Const")?.sval
  return sval === undefined ? undefined : (sval.sval ?? "")
}

/**
 * The option of this name in a list of options, as BEGIN, EXPLAIN or WITH (…) have them.
 *
 * @since 0.1.0
 * @category accessors
 */
export const option = (options: ReadonlyArray<Node> | undefined, name: string): Fields<"DefElem"> | undefined =>
  all(options, "DefElem").find(({ defname }) => defname === name)

/**
 * Whether an option's value says no; an option without a value says yes. Zero and false are left out of the tree.
 *
 * @since 0.1.0
 * @category accessors
 */
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

// Fields that hold the fields of a node without its tag, and which tag that would be, as the types of the tree say.

type IsBare<V> = [V] extends [Node | ReadonlyArray<unknown> | string | number | boolean | bigint] ? false : true
type BareOf<F> = { [K in keyof F]-?: IsBare<NonNullable<F[K]>> extends true ? K : never }[keyof F]
type BareName = { [T in Tag]: BareOf<Fields<T>> }[Tag]

/** Of those whose name means the same in every node. */
const bare: { readonly [K in Exclude<BareName, "arg" | "name">]: Tag } = {
  action: "GrantStmt",
  alias: "Alias",
  argType: "TypeName",
  authrole: "RoleSpec",
  base: "CreateStmt",
  boolval: "Boolean",
  bound: "PartitionBoundSpec",
  bsval: "BitString",
  collClause: "CollateClause",
  constrrel: "RangeVar",
  constructor: "JsonAggConstructor",
  cycle_clause: "CTECycleClause",
  datatype: "TypeName",
  eref: "Alias",
  extname: "String",
  format: "JsonFormat",
  fromsql: "ObjectWithArgs",
  func: "ObjectWithArgs",
  funccall: "FuncCall",
  funcexpr: "FuncExpr",
  fval: "Float",
  grantor: "RoleSpec",
  identitySequence: "RangeVar",
  infer: "InferClause",
  into: "IntoClause",
  intoClause: "IntoClause",
  ival: "Integer",
  join_using_alias: "Alias",
  jointree: "FromExpr",
  larg: "SelectStmt",
  newowner: "RoleSpec",
  newrole: "RoleSpec",
  ofTypename: "TypeName",
  onConflict: "OnConflictExpr",
  onConflictClause: "OnConflictClause",
  opername: "ObjectWithArgs",
  output: "JsonOutput",
  over: "WindowDef",
  owner: "RoleSpec",
  partbound: "PartitionBoundSpec",
  partspec: "PartitionSpec",
  pktable: "RangeVar",
  pubtable: "PublicationTable",
  rarg: "SelectStmt",
  rel: "RangeVar",
  relation: "RangeVar",
  returnType: "TypeName",
  returning: "JsonReturning",
  role: "RoleSpec",
  search_clause: "CTESearchClause",
  sequence: "RangeVar",
  setstmt: "VariableSetStmt",
  sourcetype: "TypeName",
  storedtype: "TypeName",
  subquery: "Query",
  sval: "String",
  table: "RangeVar",
  tablefunc: "TableFunc",
  tablesample: "TableSampleClause",
  targettype: "TypeName",
  tosql: "ObjectWithArgs",
  typeName: "TypeName",
  type_name: "TypeName",
  typevar: "RangeVar",
  user: "RoleSpec",
  val: "SelectStmt",
  value: "JsonValueExpr",
  view: "RangeVar",
  withClause: "WithClause"
}

/** Of the others, by the node that has them. */
const bareIn: Readonly<Record<string, Tag>> = {
  "CreateOpClassItem.name": "ObjectWithArgs",
  "JsonArrayAgg.arg": "JsonValueExpr",
  "JsonObjectAgg.arg": "JsonKeyValue",
  "PartitionCmd.name": "RangeVar"
}

const isBareName = (field: string): field is keyof typeof bare => Object.hasOwn(bare, field)

const bareTag = (tag: Tag | undefined, field: string): Tag | undefined =>
  isBareName(field) ? bare[field] : bareIn[`${tag}.${field}`]

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

const tagOf = (value: object): Tag | undefined => {
  for (const key in value) {
    const first = key.charCodeAt(0)
    // Tags begin with a capital, names of fields do not; nothing else in a tree does either.
    return first >= 65 && first <= 90 ? (key as Tag) : undefined
  }
  return undefined
}

/** The tree is plain JSON, whose objects have what their keys say; an index signature is all that TypeScript can follow. */
const fieldOf = (value: object, name: string): unknown => (value as { readonly [name: string]: unknown })[name]

/**
 * Whether a value is a node: one object with a tag. For those who look at fields that they do not know.
 *
 * @since 0.1.0
 * @category guards
 */
export const isNode = (value: unknown): value is Node =>
  isObject(value) && !Array.isArray(value) && tagOf(value) !== undefined

/**
 * Calls for every node, parents first and siblings in the order of the tree. Keeps its own stack: a chain of ten
 * thousand operators is a tree as deep.
 *
 * @since 0.1.0
 * @category traversals
 */
export const each = (root: Node, visit: (tag: Tag, fields: object) => void): void => {
  // Two stacks in step, a value and its tag where that is known: every statement is walked several times.
  const values: Array<object> = [root]
  const tags: Array<Tag | undefined> = [undefined]
  for (let value = values.pop(); value !== undefined; value = values.pop()) {
    const known = tags.pop()
    if (Array.isArray(value)) {
      for (let i = value.length - 1; i >= 0; i--) {
        if (!isObject(value[i])) continue
        values.push(value[i])
        tags.push(undefined)
      }
      continue
    }
    const tag = known ?? tagOf(value)
    const fields = known === undefined && tag !== undefined ? fieldOf(value, tag) : value
    if (!isObject(fields)) continue
    if (tag !== undefined) visit(tag, fields)
    const names = Object.keys(fields)
    for (let i = names.length - 1; i >= 0; i--) {
      const name = names[i]
      const field = name === undefined ? undefined : fieldOf(fields, name)
      if (name === undefined || !isObject(field)) continue
      values.push(field)
      tags.push(Array.isArray(field) || tagOf(field) !== undefined ? undefined : bareTag(tag, name))
    }
  }
}

/**
 * Calls the visitor's function for every node of a kind that it names, in the order of `each`.
 *
 * @example
 * ```ts
 * import { ParseTree, type Statement } from "@effect-dsql/dialect"
 *
 * const tables = (statement: Statement.Statement): ReadonlyArray<string> => {
 *   const found: Array<string> = []
 *   ParseTree.walk(statement.node, { RangeVar: ({ relname }) => found.push(relname ?? "") })
 *   return found
 * }
 * ```
 *
 * @since 0.1.0
 * @category traversals
 */
export const walk = (root: Node, visitor: Visitor): void => {
  // A function is kept under the tag of the node that it takes.
  const functions = visitor as { readonly [tag: string]: ((fields: object) => void) | undefined }
  each(root, (tag, fields) => functions[tag]?.(fields))
}
