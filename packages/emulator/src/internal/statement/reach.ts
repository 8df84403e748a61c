/**
 * Which rows a statement can reach, as far as its text alone tells.
 */
import { ParseTree, type Statement } from "@effect-dsql/dialect"

/** A value that a statement names: a parameter by its number, or a constant as PostgreSQL reads it. */
export interface Value {
  readonly parameter: number | undefined
  readonly text: string | undefined
  /** The type that it is cast to. */
  readonly type: string | undefined
}

/** A column that a condition sets equal to a value. */
export interface Fixed {
  readonly column: string
  readonly value: Value
}

const constant = (node: ParseTree.Node): string | undefined => {
  const found = ParseTree.as(node, "A_Const")
  if (found?.ival !== undefined) return String(found.ival.ival ?? 0)
  return found?.fval?.fval ?? ParseTree.text(node)
}

const valueOf = (node: ParseTree.Node | undefined): Value | undefined => {
  if (node === undefined) return undefined
  const cast = ParseTree.as(node, "TypeCast")
  if (cast !== undefined) {
    const inner = valueOf(cast.arg)
    // `varchar(2)` cuts.
    const type = cast.typeName?.typmods === undefined ? ParseTree.names(cast.typeName?.names).at(-1) : undefined
    return inner?.type === undefined && inner !== undefined && type !== undefined ? { ...inner, type } : undefined
  }
  const parameter = ParseTree.as(node, "ParamRef")?.number
  const text = constant(node)
  return parameter === undefined && text === undefined ? undefined : { parameter, text, type: undefined }
}

/** The columns that a condition sets equal to a value, whatever else it asks; those of `owner` alone, if it is named. */
const fixedBy = (condition: ParseTree.Node | undefined, owner?: string): ReadonlyArray<Fixed> => {
  const conjunction = ParseTree.as(condition, "BoolExpr")
  if (conjunction?.boolop === "AND_EXPR") return (conjunction.args ?? []).flatMap((part) => fixedBy(part, owner))
  const comparison = ParseTree.as(condition, "A_Expr")
  if (comparison?.kind !== "AEXPR_OP" || ParseTree.names(comparison.name).join() !== "=") return []
  const fields = ParseTree.as(comparison.lexpr, "ColumnRef")?.fields ?? []
  if (owner !== undefined && fields.length > 1 && ParseTree.name(fields.at(-2)) !== owner) return []
  const column = ParseTree.name(fields.at(-1))
  const value = valueOf(comparison.rexpr)
  return column !== undefined && value !== undefined ? [{ column, value }] : []
}

/** The columns that a change of one table alone sets equal to a value. */
export const fixed = ({ node }: Statement.Statement): ReadonlyArray<Fixed> => {
  const update = ParseTree.as(node, "UpdateStmt")
  const remove = ParseTree.as(node, "DeleteStmt")
  const others = update?.fromClause ?? remove?.usingClause ?? (update ?? remove)?.withClause
  return others === undefined ? fixedBy((update ?? remove)?.whereClause) : []
}

/** Rows of one table that a query locks: those that it gives, among those with these values. */
export interface Locked {
  /** As `pgrowlocks` calls it. */
  readonly strength: "Update" | "Key Share"
  readonly fixed: ReadonlyArray<Fixed>
}

const strengths: Readonly<Record<string, Locked["strength"]>> = {
  LCS_FORUPDATE: "Update",
  LCS_FORKEYSHARE: "Key Share"
}

/** Whether a query may lock other rows than it gives. */
const hides = (node: ParseTree.Node, select: ParseTree.Fields<"SelectStmt">): boolean => {
  let found = select.limitOffset !== undefined
  const find = () => {
    found = true
  }
  ParseTree.walk(node, { FuncCall: find, SubLink: find, WithClause: find })
  return found
}

/** What a query locks, if that is plain to see. */
export const locked = ({ node }: Statement.Statement): Locked | undefined => {
  const select = ParseTree.as(node, "SelectStmt")
  if (select?.fromClause?.length !== 1 || select.lockingClause?.length !== 1) return undefined
  const strength = strengths[ParseTree.as(select.lockingClause[0], "LockingClause")?.strength ?? ""]
  const table = ParseTree.as(select.fromClause[0], "RangeVar")
  if (table === undefined || strength === undefined || hides(node, select)) return undefined
  return { strength, fixed: fixedBy(select.whereClause) }
}

/** Rows of a table that a query anywhere in a statement may lock: none but those with these values. */
export interface Lockable extends Locked {
  readonly table: string
}

/** What the locking clauses of a statement may lock; undefined where one of them speaks of more than one table. */
export const lockable = ({ node }: Statement.Statement): ReadonlyArray<Lockable> | undefined => {
  const found: Array<Lockable> = []
  let isPlain = true
  ParseTree.walk(node, {
    SelectStmt: ({ fromClause, lockingClause, whereClause }) => {
      if (lockingClause === undefined) return
      const strength = strengths[ParseTree.as(lockingClause[0], "LockingClause")?.strength ?? ""]
      const table = fromClause?.length === 1 ? ParseTree.as(fromClause[0], "RangeVar")?.relname : undefined
      if (lockingClause.length > 1 || strength === undefined || table === undefined) isPlain = false
      else found.push({ table, strength, fixed: fixedBy(whereClause) })
    }
  })
  return isPlain ? found : undefined
}

/** How a statement comes to rows of a table: all of them, unless it sets the columns of `fixed` equal to a value. */
export interface Access {
  readonly table: string
  /** A row that is locked is changed by that. An insert comes to rows that have one of the new keys. */
  readonly verb: "read" | "change" | "insert"
  readonly fixed: ReadonlyArray<Fixed>
  /** The columns that a change sets. */
  readonly sets: ReadonlyArray<string>
}

type RangeVar = ParseTree.Fields<"RangeVar">

/** What a condition on one table alone fixes; a column that is called by another's name is that one's. */
const fixedOf = (condition: ParseTree.Node | undefined, { alias, relname }: RangeVar): ReadonlyArray<Fixed> =>
  fixedBy(condition, alias?.aliasname ?? relname)

/** How a statement comes to the tables that it names; undefined where a locking clause speaks of more than one. */
export const accesses = (statement: Statement.Statement): ReadonlyArray<Access> | undefined => {
  if (lockable(statement) === undefined) return undefined
  const found: Array<Access> = []
  const told = new Set<RangeVar>()
  const tell = (
    relation: RangeVar | undefined,
    verb: Access["verb"],
    fixed: Access["fixed"],
    sets: Access["sets"] = []
  ) => {
    if (relation?.relname === undefined) return
    told.add(relation)
    found.push({ table: relation.relname, verb, fixed, sets })
  }
  const setBy = (targets: ReadonlyArray<ParseTree.Node> | undefined) =>
    ParseTree.all(targets, "ResTarget").flatMap(({ name }) => name ?? [])
  ParseTree.walk(statement.node, {
    SelectStmt: ({ fromClause, lockingClause, whereClause }) => {
      const table = fromClause?.length === 1 ? ParseTree.as(fromClause[0], "RangeVar") : undefined
      if (table === undefined) return
      tell(table, lockingClause === undefined ? "read" : "change", fixedOf(whereClause, table))
    },
    UpdateStmt: ({ fromClause, relation, targetList, whereClause }) => {
      const isAlone = relation !== undefined && fromClause === undefined
      tell(relation, "change", isAlone ? fixedOf(whereClause, relation) : [], setBy(targetList))
    },
    DeleteStmt: ({ relation, usingClause, whereClause }) => {
      const isAlone = relation !== undefined && usingClause === undefined
      tell(relation, "change", isAlone ? fixedOf(whereClause, relation) : [])
    },
    InsertStmt: ({ onConflictClause, relation }) =>
      tell(relation, onConflictClause?.action === "ONCONFLICT_UPDATE" ? "change" : "insert", []),
    CopyStmt: ({ is_from, relation }) => tell(relation, is_from === true ? "insert" : "read", []),
    MergeStmt: ({ relation }) => tell(relation, "change", [])
  })
  ParseTree.walk(statement.node, {
    RangeVar: (relation) => {
      if (!told.has(relation)) tell(relation, "read", [])
    }
  })
  return found
}
