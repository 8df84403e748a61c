/**
 * Expressions and types as one text, however they were written: what a file says
 * and what the catalogue prints of it become the same.
 */
import { type Fields, isNode, names, type Node } from "@effect-dsql/dialect/ParseTree"

/** A name that a text can be searched for: nothing else in a canonical text is in these quotes. */
export const quoted = (name: string): string => `"${name}"`

/** A canonical text for people: without the quotes of names that need none. */
export const readable = (text: string): string => text.replaceAll(/"([a-z_][a-z0-9_]*)"/g, "$1")

// What SQL calls the types that the parser calls otherwise.
const typeNames: Readonly<Record<string, string>> = {
  int2: "smallint",
  int4: "integer",
  int8: "bigint",
  bool: "boolean",
  bpchar: "character",
  float4: "real",
  float8: "double precision",
  timestamptz: "timestamp with time zone",
  timetz: "time with time zone"
}

/** A type: `integer`, `varchar(255)`. */
export const type = (typeName: Fields<"TypeName"> | undefined): string => {
  const parts = names(typeName?.names).filter((part) => part !== "pg_catalog")
  const name = parts.map((part) => (parts.length === 1 ? (typeNames[part] ?? part) : part)).join(".")
  const given = (typeName?.typmods ?? []).map(expression)
  // What a numeric without digits is on DSQL, as its catalogue may say.
  const modifiers = name === "numeric" && given.length === 0 ? ["18", "6"] : given
  const array = "[]".repeat(typeName?.arrayBounds?.length ?? 0)
  return `${name}${modifiers.length === 0 ? "" : `(${modifiers.join(", ")})`}${array}`
}

/** An expression. Casts are left out: the catalogue has those that PostgreSQL added. */
export const expression = (node: Node | undefined): string => {
  if (node === undefined) return ""
  if ("TypeCast" in node) return expression(node.TypeCast.arg)
  if ("A_Const" in node) return constant(node.A_Const)
  if ("ColumnRef" in node) return names(node.ColumnRef.fields).map(quoted).join(".")
  if ("FuncCall" in node) {
    const { args, funcname } = node.FuncCall
    const name = names(funcname).filter((part) => part !== "pg_catalog")
    return `${name.join(".")}(${(args ?? []).map(expression).join(", ")})`
  }
  if ("SQLValueFunction" in node) return (node.SQLValueFunction.op ?? "").replace("SVFOP_", "")
  if ("NullTest" in node) {
    const { arg, nulltesttype } = node.NullTest
    return `(${expression(arg)} IS ${nulltesttype === "IS_NULL" ? "" : "NOT "}NULL)`
  }
  if ("BoolExpr" in node) {
    const args = conjuncts(node)
    switch (node.BoolExpr.boolop) {
      case "NOT_EXPR":
        return `(NOT ${args.join("")})`
      case "OR_EXPR":
        return `(${args.join(" OR ")})`
      default:
        return `(${args.join(" AND ")})`
    }
  }
  if ("A_ArrayExpr" in node) return list(node.A_ArrayExpr.elements)
  if ("List" in node) return list(node.List.items)
  return "A_Expr" in node ? operation(node.A_Expr) : other(node)
}

const list = (items: ReadonlyArray<Node> | undefined): string => `[${(items ?? []).map(expression).join(", ")}]`

/** The arguments of AND and OR, those of the same operator within them in their place. */
const conjuncts = (node: Extract<Node, { readonly BoolExpr: unknown }>): ReadonlyArray<string> => {
  const { args, boolop } = node.BoolExpr
  return (args ?? []).flatMap((arg) => {
    if ("BoolExpr" in arg && arg.BoolExpr.boolop === boolop && boolop !== "NOT_EXPR") return conjuncts(arg)
    const range = "A_Expr" in arg ? bounds(arg.A_Expr) : undefined
    return range !== undefined && range.boolop === boolop ? range.parts : [expression(arg)]
  })
}

/** BETWEEN as the two comparisons that it stands for. */
const bounds = ({ kind, lexpr, rexpr }: Fields<"A_Expr">) => {
  const [low, high] = itemsOf(rexpr).map(expression)
  const left = expression(lexpr)
  switch (kind) {
    case "AEXPR_BETWEEN":
      return { boolop: "AND_EXPR", word: "AND", parts: [`(${left} >= ${low})`, `(${left} <= ${high})`] } as const
    case "AEXPR_NOT_BETWEEN":
      return { boolop: "OR_EXPR", word: "OR", parts: [`(${left} < ${low})`, `(${left} > ${high})`] } as const
    default:
      return undefined
  }
}

const itemsOf = (node: Node | undefined): ReadonlyArray<Node> =>
  node !== undefined && "List" in node ? (node.List.items ?? []) : []

const operation = (node: Fields<"A_Expr">): string => {
  const range = bounds(node)
  if (range !== undefined) return `(${range.parts.join(` ${range.word} `)})`
  const { kind, lexpr, name, rexpr } = node
  const operator = names(name).at(-1) ?? ""
  const left = expression(lexpr)
  switch (kind) {
    // The catalogue has IN as what it stands for.
    case "AEXPR_IN": {
      const items = itemsOf(rexpr)
      return items.length === 1
        ? `(${left} ${operator} ${expression(items[0])})`
        : `(${left} ${operator} ${operator === "=" ? "ANY" : "ALL"} ${list(items)})`
    }
    case "AEXPR_OP_ANY":
      return `(${left} ${operator} ANY ${expression(rexpr)})`
    case "AEXPR_OP_ALL":
      return `(${left} ${operator} ALL ${expression(rexpr)})`
    case "AEXPR_DISTINCT":
      return `(${left} IS DISTINCT FROM ${expression(rexpr)})`
    case "AEXPR_NOT_DISTINCT":
      return `(${left} IS NOT DISTINCT FROM ${expression(rexpr)})`
    default:
      return `(${left} ${operator} ${expression(rexpr)})`
  }
}

const constant = ({ boolval, bsval, fval, isnull, ival, sval }: Fields<"A_Const">): string => {
  if (isnull === true) return "NULL"
  if (boolval !== undefined) return boolval.boolval === true ? "true" : "false"
  // Zero and the empty text are left out of the tree.
  if (ival !== undefined) return String(ival.ival ?? 0)
  const text = sval?.sval ?? fval?.fval ?? bsval?.bsval ?? ""
  // The catalogue prints a negative number as a text that is cast.
  return /^-?\d+(\.\d+)?$/.test(text) ? text : `'${text.replaceAll("'", "''").replaceAll('"', "\\u0022")}'`
}

/** Anything else: its fields, without the places where they stand. */
const other = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(part).join(", ")}]`
  if (typeof value !== "object" || value === null) return String(value)
  const fields = Object.entries(value).filter(([key]) => key !== "location")
  return fields.map(([key, field]) => `${key}(${part(field)})`).join(" ")
}

const part = (value: unknown): string => (isNode(value) ? expression(value) : other(value))
