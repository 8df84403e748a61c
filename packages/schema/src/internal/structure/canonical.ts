/**
 * Expressions and types as one SQL text, however they were written. What differs between a file and what the catalogue
 * prints of it, a cast that the server added or a literal that it has read, the server itself is asked about: see
 * `sameness.ts`.
 */
import { type Fields, isNode, names, type Node } from "@effect-dsql/dialect/ParseTree"
import * as Quote from "@effect-dsql/dialect/Quote"

/** A relation by its key. */
export const reference = (key: string): string => {
  const dot = key.indexOf(".")
  return dot === -1 ? Quote.identifier(key) : Quote.qualified(key.slice(0, dot), key.slice(dot + 1))
}

const cast = /CAST\(('(?:[^']|'')*'|-?[\d.]+|"[^"]+"(?= AS text\))) AS [a-z][a-z ]*(?:\(\d+(?:, \d+)?\))?\)/

/** A canonical text for people: without the casts that the server adds most, and the quotes of names that need none. */
export const readable = (text: string): string => {
  const plainer = text.replace(cast, "$1")
  return plainer === text ? text.replaceAll(/"([a-z_][a-z0-9_]*)"/g, "$1") : readable(plainer)
}

// What SQL calls the types that the parser calls otherwise.
const typeNames: Readonly<Record<string, string>> = {
  int2: "smallint",
  int4: "integer",
  int8: "bigint",
  bool: "boolean",
  float4: "real",
  float8: "double precision",
  timestamptz: "timestamp with time zone",
  timetz: "time with time zone"
}

/** A type: `integer`, `varchar(255)`. */
export const type = (typeName: Fields<"TypeName"> | undefined): string => {
  const parts = names(typeName?.names).filter((part) => part !== "pg_catalog")
  const modifiers = (typeName?.typmods ?? []).map(expression)
  const array = "[]".repeat(typeName?.arrayBounds?.length ?? 0)
  const [only = ""] = parts
  if (only === "interval" && parts.length === 1) return `${interval(modifiers)}${array}`
  // A scale that is left out is none.
  if (only === "numeric" && modifiers.length === 1) modifiers.push("0")
  const name =
    parts.length > 1
      ? parts.map(plain).join(".")
      : only === "bpchar" && modifiers.length > 0
        ? "character"
        : (typeNames[only] ?? plain(only))
  const given = modifiers.length === 0 ? "" : `(${modifiers.join(", ")})`
  // The digits of a time stand before its zone.
  const [first = "", ...words] = name.endsWith(" time zone") ? name.split(" ") : [name]
  return `${[`${first}${given}`, ...words].join(" ")}${array}`
}

/** The fields of an interval, as the parser numbers them. */
const fields: Readonly<Record<string, string>> = {
  4: " YEAR",
  2: " MONTH",
  8: " DAY",
  1024: " HOUR",
  2048: " MINUTE",
  4096: " SECOND",
  6: " YEAR TO MONTH",
  1032: " DAY TO HOUR",
  3080: " DAY TO MINUTE",
  7176: " DAY TO SECOND",
  3072: " HOUR TO MINUTE",
  7168: " HOUR TO SECOND",
  6144: " MINUTE TO SECOND"
}

const interval = ([mask = "", precision]: ReadonlyArray<string>): string =>
  `interval${fields[mask] ?? ""}${precision === undefined ? "" : `(${precision})`}`

/** A name that means the same without quotes, but for those that the grammar keeps for itself. */
const plain = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) && !/^(extract|overlay|position|substring|trim)$/.test(name)
    ? name
    : Quote.identifier(name)

/** An expression, of one table's columns. */
export const expression = (node: Node | undefined): string => {
  if (node === undefined) return ""
  if ("TypeCast" in node) return `CAST(${expression(node.TypeCast.arg)} AS ${type(node.TypeCast.typeName)})`
  if ("A_Const" in node) return constant(node.A_Const)
  // Of one table, so that its name adds nothing.
  if ("ColumnRef" in node) return Quote.identifier(names(node.ColumnRef.fields).at(-1) ?? "")
  if ("FuncCall" in node) {
    const { args, funcname } = node.FuncCall
    const name = names(funcname).filter((part) => part !== "pg_catalog")
    return `${name.map(plain).join(".")}(${list(args)})`
  }
  if ("SQLValueFunction" in node) {
    const { op = "", typmod = -1 } = node.SQLValueFunction
    return `${op.replace("SVFOP_", "").replace(/_N$/, "")}${op.endsWith("_N") ? `(${typmod})` : ""}`
  }
  if ("NullTest" in node) {
    const { arg, nulltesttype } = node.NullTest
    return `(${expression(arg)} IS ${nulltesttype === "IS_NULL" ? "" : "NOT "}NULL)`
  }
  if ("BooleanTest" in node) {
    const { arg, booltesttype = "" } = node.BooleanTest
    return `(${expression(arg)} ${booltesttype.replaceAll("_", " ")})`
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
  if ("CaseExpr" in node) return choice(node.CaseExpr)
  if ("CoalesceExpr" in node) return `COALESCE(${list(node.CoalesceExpr.args)})`
  if ("MinMaxExpr" in node) {
    return `${node.MinMaxExpr.op === "IS_LEAST" ? "LEAST" : "GREATEST"}(${list(node.MinMaxExpr.args)})`
  }
  if ("CollateClause" in node) {
    const { arg, collname } = node.CollateClause
    return `(${expression(arg)} COLLATE ${names(collname)
      .filter((part) => part !== "pg_catalog")
      .map(Quote.identifier)
      .join(".")})`
  }
  if ("RowExpr" in node) return `ROW(${list(node.RowExpr.args)})`
  if ("A_ArrayExpr" in node) return `ARRAY[${list(node.A_ArrayExpr.elements)}]`
  if ("List" in node) return `(${list(node.List.items)})`
  return "A_Expr" in node ? operation(node.A_Expr) : other(node)
}

const list = (items: ReadonlyArray<Node> | undefined): string => (items ?? []).map(expression).join(", ")

const choice = ({ arg, args, defresult }: Fields<"CaseExpr">): string => {
  const cases = (args ?? []).map((each) =>
    "CaseWhen" in each
      ? ` WHEN ${expression(each.CaseWhen.expr)} THEN ${expression(each.CaseWhen.result)}`
      : other(each)
  )
  const subject = arg === undefined ? "" : ` ${expression(arg)}`
  return `CASE${subject}${cases.join("")}${defresult === undefined ? "" : ` ELSE ${expression(defresult)}`} END`
}

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
    // Only the server can tell of which type the items are.
    case "AEXPR_IN": {
      const items = itemsOf(rexpr)
      return items.length === 1
        ? `(${left} ${operator} ${expression(items[0])})`
        : `(${left} ${operator === "=" ? "IN" : "NOT IN"} (${list(items)}))`
    }
    case "AEXPR_OP_ANY":
      return `(${left} ${operator} ANY (${expression(rexpr)}))`
    case "AEXPR_OP_ALL":
      return `(${left} ${operator} ALL (${expression(rexpr)}))`
    case "AEXPR_DISTINCT":
      return `(${left} IS DISTINCT FROM ${expression(rexpr)})`
    case "AEXPR_NOT_DISTINCT":
      return `(${left} IS NOT DISTINCT FROM ${expression(rexpr)})`
    case "AEXPR_NULLIF":
      return `NULLIF(${left}, ${expression(rexpr)})`
    case "AEXPR_BETWEEN_SYM":
    case "AEXPR_NOT_BETWEEN_SYM": {
      const not = kind === "AEXPR_BETWEEN_SYM" ? "" : "NOT "
      return `(${left} ${not}BETWEEN SYMMETRIC ${itemsOf(rexpr).map(expression).join(" AND ")})`
    }
    default:
      return lexpr === undefined ? `(${operator} ${expression(rexpr)})` : `(${left} ${operator} ${expression(rexpr)})`
  }
}

const constant = ({ boolval, bsval, fval, isnull, ival, sval }: Fields<"A_Const">): string => {
  if (isnull === true) return "NULL"
  if (boolval !== undefined) return boolval.boolval === true ? "true" : "false"
  // Zero and the empty text are left out of the tree.
  if (ival !== undefined) return String(ival.ival ?? 0)
  if (fval !== undefined) return fval.fval ?? "0"
  if (bsval !== undefined) return `${bsval.bsval?.slice(0, 1) ?? "b"}'${bsval.bsval?.slice(1) ?? ""}'`
  return literal(sval?.sval ?? "")
}

/** A text in quotes, without those that names are searched by. */
const literal = (text: string): string => {
  const body = text.replaceAll("'", "''")
  return body.includes('"') ? `U&'${body.replaceAll("\\", "\\\\").replaceAll('"', "\\0022")}'` : `'${body}'`
}

/** How what has no SQL here begins. */
export const unreadable = "?{"

/** Anything else: its fields, without the places where they stand. */
const other = (value: unknown): string => `${unreadable}${shape(value)}}`

const shape = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(part).join(", ")}]`
  if (typeof value !== "object" || value === null) return String(value)
  const fields = Object.entries(value).filter(([key]) => key !== "location")
  return fields.map(([key, field]) => `${key}(${part(field)})`).join(" ")
}

const part = (value: unknown): string => (isNode(value) ? expression(value) : shape(value))
