/**
 * What a statement leaves that is no relation, or no whole one: the objects that it brings about or takes away. What
 * may run any number of times, because it leaves the same each time, needs none.
 */
import {
  all,
  as,
  type Fields,
  name as textOf,
  names as namesIn,
  type Node,
  option,
  type Tag,
  tagged
} from "@effect-dsql/dialect/ParseTree"
import type { CatalogueObject, Name, Target } from "../../SqlStatement.ts"

/** Reads a parsed statement. */
export const of = (node: Node): Target => {
  const objects = brought(node)
  return objects === undefined ? { _tag: "Repeatable" } : { _tag: "Other", objects }
}

/** Statements that set something: whatever was there before, it is as they say after. */
const setting: ReadonlySet<Tag> = new Set<Tag>([
  "AlterDatabaseSetStmt",
  "AlterDatabaseStmt",
  "AlterDefaultPrivilegesStmt",
  "AlterFunctionStmt",
  "AlterOwnerStmt",
  "AlterRoleSetStmt",
  "AlterRoleStmt",
  "AlterStatsStmt",
  "CommentStmt",
  "DropOwnedStmt",
  "GrantRoleStmt",
  "GrantStmt",
  "ReassignOwnedStmt",
  "SecLabelStmt",
  // Without OR REPLACE it has a name.
  "ViewStmt"
])

/** What a statement brings about or takes away; undefined where it may be repeated. */
const brought = (node: Node): ReadonlyArray<CatalogueObject> | undefined => {
  const { node: fields, tag } = tagged(node)
  if (setting.has(tag)) return undefined
  switch (tag) {
    case "AlterTableStmt":
      return altered(fields)
    case "AlterSeqStmt":
      return restarts(fields.options) ? [object("restart", relationName(fields.sequence))] : undefined
    case "AlterDomainStmt":
      return "CX".includes(fields.subtype ?? "") && fields.missing_ok !== true
        ? [object("domain constraints", nameOf(fields.typeName))]
        : undefined
    case "CreateRoleStmt":
      return [object("role", plain(fields.role))]
    case "DropRoleStmt":
      return fields.missing_ok === true
        ? undefined
        : all(fields.roles, "RoleSpec").map(({ rolename }) => object("role", plain(rolename)))
    case "CreateSchemaStmt":
      return fields.if_not_exists === true ? undefined : [object("schema", plain(fields.schemaname))]
    case "CreateStatsStmt":
      return fields.if_not_exists === true ? undefined : [object("statistics", nameOf(fields.defnames))]
    case "CreateFunctionStmt":
      return fields.replace === true ? undefined : [object("function", nameOf(fields.funcname))]
    case "CreateDomainStmt":
      return [object("type", nameOf(fields.domainname))]
    case "CreateCastStmt":
      return [fields.sourcetype, fields.targettype].map((type) => object("cast", nameOf(type?.names)))
    case "AlterObjectSchemaStmt":
      return objectsOf(fields.objectType, fields.relation, fields.object)
    case "RenameStmt":
      return renamed(fields)
    case "DropStmt":
      return fields.missing_ok === true
        ? undefined
        : (fields.objects ?? []).flatMap((each) => objectsOf(fields.removeType, undefined, each))
    default:
      return []
  }
}

const object = (kind: CatalogueObject["kind"], name: Name): CatalogueObject => ({ kind, name })

const plain = (name: string | undefined): Name => ({ schema: undefined, name: name ?? "" })

const nameOf = (parts: ReadonlyArray<Node> | undefined): Name => {
  const names = namesIn(parts)
  return { schema: names.at(-2), name: names.at(-1) ?? "" }
}

const relationName = (relation: Fields<"RangeVar"> | undefined): Name => ({
  schema: relation?.schemaname,
  name: relation?.relname ?? ""
})

const restarts = (options: ReadonlyArray<Node> | undefined): boolean => option(options, "restart") !== undefined

const kinds: Readonly<Record<string, CatalogueObject["kind"]>> = {
  OBJECT_AGGREGATE: "function",
  OBJECT_CAST: "cast",
  OBJECT_DOMAIN: "type",
  OBJECT_FUNCTION: "function",
  OBJECT_INDEX: "relation",
  OBJECT_PROCEDURE: "function",
  OBJECT_ROLE: "role",
  OBJECT_ROUTINE: "function",
  OBJECT_SCHEMA: "schema",
  OBJECT_SEQUENCE: "relation",
  OBJECT_STATISTIC_EXT: "statistics",
  OBJECT_TABLE: "relation",
  OBJECT_TYPE: "type",
  OBJECT_VIEW: "relation"
}

/** The objects that a node names: a relation, or a name in one of the forms that a kind of object has. */
const objectsOf = (
  type: string | undefined,
  relation: Fields<"RangeVar"> | undefined,
  named: Node | undefined
): ReadonlyArray<CatalogueObject> => {
  const kind = kinds[type ?? ""]
  if (kind === undefined) return []
  if (relation !== undefined) return [object(kind, relationName(relation))]
  const list = as(named, "List")?.items
  if (kind === "cast") return all(list, "TypeName").map(({ names }) => object(kind, nameOf(names)))
  const parts = list ?? as(named, "ObjectWithArgs")?.objname ?? as(named, "TypeName")?.names
  return [object(kind, parts === undefined ? plain(textOf(named)) : nameOf(parts))]
}

/** Both names of what is renamed. */
const renamed = ({ newname, object: named, relation, renameType, subname }: Fields<"RenameStmt">) => {
  if (renameType === "OBJECT_TABCONSTRAINT") return [object("constraints", relationName(relation))]
  if (renameType === "OBJECT_DOMCONSTRAINT") {
    return [object("domain constraints", nameOf(as(named, "List")?.items))]
  }
  const before = subname === undefined ? objectsOf(renameType, relation, named) : roleOrSchema(renameType, subname)
  return before.flatMap(({ kind, name }) => [object(kind, name), object(kind, { ...name, name: newname ?? "" })])
}

const roleOrSchema = (type: string | undefined, name: string): ReadonlyArray<CatalogueObject> => {
  const kind = kinds[type ?? ""]
  return kind === undefined ? [] : [object(kind, plain(name))]
}

/** The part of a table that a command changes, where to change it twice is not to change it once. */
const part = ({ def, missing_ok, subtype }: Fields<"AlterTableCmd">): CatalogueObject["kind"] | undefined => {
  switch (subtype) {
    case "AT_AddColumn":
    case "AT_DropColumn":
    case "AT_AddIdentity":
    case "AT_DropIdentity":
    case "AT_DropExpression":
      return missing_ok === true ? undefined : "columns"
    case "AT_AlterColumnType":
      return "columns"
    case "AT_AddConstraint":
      return "constraints"
    case "AT_DropConstraint":
      return missing_ok === true ? undefined : "constraints"
    case "AT_SetIdentity":
      return restarts(as(def, "List")?.items) ? "restart" : undefined
    default:
      return undefined
  }
}

const altered = ({ cmds, relation }: Fields<"AlterTableStmt">) => {
  const parts = new Set(all(cmds, "AlterTableCmd").flatMap((command) => part(command) ?? []))
  return parts.size === 0 ? undefined : [...parts].map((kind) => object(kind, relationName(relation)))
}
