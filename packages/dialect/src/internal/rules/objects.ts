/**
 * What DSQL does not define, change or drop: everything but tables and indexes.
 */
import * as ParseTree from "../../ParseTree.ts"
import * as Limits from "../../Limits.ts"
import type { Node } from "libpg-query"
import type { Definition, Match } from "./definition.ts"
import {
  define,
  found,
  foundIf,
  inferred,
  linted,
  measured,
  measuredLimit,
  observed,
  page,
  recorded,
  reported,
  statement
} from "./definition.ts"
import * as Types from "./types.ts"
import { isCacheRefused } from "./tables.ts"

const noServer = "Leave it out: the service runs the server."
const noReplication = "Use the service's change data capture streams."
const noTypes = "Use a domain, or text with a CHECK."

const bytesOf = (text: string): number => new TextEncoder().encode(text).length

const domainActions: Readonly<Record<string, string>> = {
  C: "ADD CONSTRAINT",
  O: "SET NOT NULL",
  V: "VALIDATE CONSTRAINT"
}

const otherType = (options: ReadonlyArray<Node> | undefined): ReadonlyArray<Match> => {
  const type = ParseTree.as(ParseTree.option(options, "as")?.arg, "TypeName")
  return foundIf(type !== undefined && Types.builtin(type) !== "int8", type?.location, { type: Types.display(type) })
}

/** Kinds of objects that DSQL never has, so that their DROP has nothing to name. */
const neverDropped: ReadonlySet<string> = new Set([
  "OBJECT_EVENT_TRIGGER",
  "OBJECT_EXTENSION",
  "OBJECT_FOREIGN_TABLE",
  "OBJECT_MATVIEW",
  "OBJECT_POLICY",
  "OBJECT_PUBLICATION",
  "OBJECT_RULE"
])

/** What ALTER ROLE does not change; LOGIN and the memberships that CREATE ROLE takes are accepted. */
const roleProperties: ReadonlySet<string> = new Set([
  "bypassrls",
  "connectionlimit",
  "createdb",
  "createrole",
  "isreplication",
  "password",
  "superuser",
  "validUntil"
])

export const objects: ReadonlyArray<Definition> = [
  statement("CreateExtensionStmt", {
    id: "extension",
    construct: "CREATE EXTENSION",
    hint: "Leave it out; gen_random_uuid() is built in.",
    ...recorded
  }),
  define({
    id: "trigger",
    construct: "CREATE TRIGGER",
    message: "CREATE TRIGGER not supported",
    hint: "Do it in the transaction that writes.",
    ...recorded,
    when: { CreateTrigStmt: ({ relation }) => found(relation?.location) }
  }),
  statement("CreatedbStmt", {
    id: "database",
    construct: "CREATE DATABASE",
    hint: "Use a schema: a cluster has one database, postgres.",
    ...recorded
  }),
  statement("DropdbStmt", {
    id: "drop-database",
    construct: "DROP DATABASE",
    hint: "Drop the schemas: a cluster has one database, postgres.",
    ...inferred(page.subset)
  }),
  define({
    id: "alter-type",
    construct: "ALTER TYPE ... ADD VALUE, ADD ATTRIBUTE and the like",
    message: "ALTER TYPE not supported",
    hint: noTypes,
    ...recorded,
    when: {
      AlterEnumStmt: () => found(),
      AlterTypeStmt: () => found(),
      AlterTableStmt: ({ objtype }) => foundIf(objtype === "OBJECT_TYPE")
    }
  }),
  define({
    id: "rename-type",
    construct: "ALTER TYPE ... RENAME",
    message: "unsupported object in RENAME statement",
    hint: noTypes,
    ...recorded,
    when: { RenameStmt: ({ renameType }) => foundIf(renameType === "OBJECT_TYPE" || renameType === "OBJECT_ATTRIBUTE") }
  }),
  define({
    id: "drop-type",
    construct: "DROP TYPE",
    message: "unsupported object in DROP statement",
    hint: "A domain is dropped with DROP DOMAIN; there are no other types of one's own.",
    ...recorded,
    when: { DropStmt: ({ removeType }) => foundIf(removeType === "OBJECT_TYPE") }
  }),
  define({
    id: "drop-object",
    construct: "DROP EXTENSION, MATERIALIZED VIEW, POLICY, ..., DROP TRIGGER without IF EXISTS",
    message: "unsupported object in DROP statement",
    hint: "Leave it out: there is nothing of the kind.",
    ...linted,
    when: {
      DropStmt: ({ missing_ok, removeType }) =>
        foundIf(neverDropped.has(removeType ?? "") || (removeType === "OBJECT_TRIGGER" && missing_ok !== true))
    }
  }),
  define({
    id: "drop-index-concurrently",
    construct: "DROP INDEX CONCURRENTLY",
    message: "DROP INDEX CONCURRENTLY must be first action in transaction",
    hint: "DROP INDEX: nobody waits for it.",
    ...observed,
    when: { DropStmt: ({ concurrent }) => foundIf(concurrent) }
  }),
  define({
    id: "alter-aggregate",
    construct: "ALTER AGGREGATE",
    message: "unsupported object in {statement} statement",
    hint: "Leave it out: there are no aggregates of one's own.",
    ...linted,
    when: {
      RenameStmt: ({ renameType }) => foundIf(renameType === "OBJECT_AGGREGATE", undefined, { statement: "RENAME" }),
      AlterOwnerStmt: ({ objectType }) =>
        foundIf(objectType === "OBJECT_AGGREGATE", undefined, { statement: "ALTER OWNER" }),
      AlterObjectSchemaStmt: ({ objectType }) =>
        foundIf(objectType === "OBJECT_AGGREGATE", undefined, { statement: "ALTER SCHEMA" })
    }
  }),
  statement("AlterFunctionStmt", {
    id: "function-property",
    construct: "ALTER FUNCTION ... IMMUTABLE, SECURITY DEFINER, SET, ...",
    hint: "CREATE OR REPLACE FUNCTION with the property.",
    ...linted
  }),
  define({
    id: "domain-property",
    construct: "ALTER DOMAIN ... SET NOT NULL, ADD CONSTRAINT, VALIDATE CONSTRAINT",
    message: "unsupported ALTER DOMAIN {action} statement",
    hint: "CREATE DOMAIN states what it checks; make a new domain.",
    ...observed,
    when: {
      AlterDomainStmt: ({ subtype }) => {
        const action = Object.hasOwn(domainActions, subtype ?? "") ? domainActions[subtype ?? ""] : undefined
        return action === undefined ? [] : found(undefined, { action })
      }
    }
  }),
  define({
    id: "role-property",
    construct: "ALTER ROLE or ALTER USER ... PASSWORD, CREATEDB, CREATEROLE, SUPERUSER, CONNECTION LIMIT, ...",
    message: "unsupported ALTER ROLE option: {option}",
    hint: "Roles have no password: AWS IAM GRANT says who may be one.",
    ...linted,
    when: {
      AlterRoleStmt: ({ options }) =>
        ParseTree.all(options, "DefElem").flatMap(({ defname = "", location }) =>
          foundIf(roleProperties.has(defname), location, { option: defname.toUpperCase() })
        )
    }
  }),
  define({
    id: "role-setting",
    construct: "ALTER ROLE ... SET",
    message: "unsupported statement: AlterRoleSet",
    hint: "SET it when a connection begins.",
    ...linted,
    when: {
      AlterRoleSetStmt: ({ setstmt }) => foundIf(setstmt?.kind !== "VAR_RESET" && setstmt?.kind !== "VAR_RESET_ALL")
    }
  }),
  define({
    id: "temporary-view",
    construct: "CREATE TEMPORARY VIEW",
    message: "TEMPORARY or TEMP view not supported for CREATE VIEW",
    hint: "Use a WITH query, or a plain view.",
    ...linted,
    when: { ViewStmt: ({ view }) => foundIf(view?.relpersistence === "t", view?.location) }
  }),
  define({
    id: "view-check-option",
    construct: "CREATE VIEW ... WITH CHECK OPTION",
    message: "WITH CHECK OPTION not supported for CREATE VIEW",
    hint: "Leave WITH CHECK OPTION out, and check in a CHECK of the table.",
    ...linted,
    when: {
      ViewStmt: ({ view, withCheckOption }) =>
        foundIf(withCheckOption !== undefined && withCheckOption !== "NO_CHECK_OPTION", view?.location)
    }
  }),
  define({
    id: "view-size",
    construct: "CREATE VIEW of more than 128 KiB",
    sqlstate: "54000",
    message: "view definition too large",
    hint: "Split the view: what fits depends on its shape, and less than 120 KiB always did.",
    ...measuredLimit,
    when: {
      ViewStmt: ({ view }, { text }) =>
        foundIf(text.length > Limits.viewBytes / 4 && bytesOf(text) > Limits.viewBytes, view?.location)
    }
  }),
  define({
    id: "statistics-target",
    construct: "ALTER STATISTICS ... SET STATISTICS above 100",
    sqlstate: "22023",
    message: "statistics target {target} exceeds maximum allowed value of 100",
    hint: "State at most 100.",
    ...measured,
    when: {
      AlterStatsStmt: ({ stxstattarget }) => {
        return foundIf((stxstattarget ?? 0) > 100, undefined, { target: String(stxstattarget) })
      }
    }
  }),
  statement("CreateTableAsStmt", {
    id: "create-table-as",
    construct: "CREATE TABLE ... AS, CREATE MATERIALIZED VIEW",
    hint: "CREATE TABLE, then INSERT ... SELECT in batches; for a materialized view, a table that a job refreshes.",
    ...recorded
  }),
  define({
    id: "select-into",
    construct: "SELECT ... INTO",
    message: "unsupported statement: CreateTableAs",
    hint: "CREATE TABLE, then INSERT ... SELECT in batches.",
    ...inferred(page.subset),
    when: { SelectStmt: ({ intoClause }) => foundIf(intoClause !== undefined, intoClause?.rel?.location) }
  }),
  statement("RefreshMatViewStmt", {
    id: "refresh-materialized-view",
    construct: "REFRESH MATERIALIZED VIEW",
    hint: "Use a table that a job refreshes.",
    ...inferred(page.subset)
  }),
  define({
    id: "enum-type",
    construct: "CREATE TYPE ... AS ENUM",
    message: "CREATE TYPE not supported",
    hint: noTypes,
    ...recorded,
    when: { CreateEnumStmt: () => found() }
  }),
  statement("CompositeTypeStmt", {
    id: "composite-type",
    construct: "CREATE TYPE ... AS (...)",
    hint: "Use columns, or jsonb.",
    ...recorded
  }),
  statement("CreateRangeStmt", {
    id: "range-type",
    construct: "CREATE TYPE ... AS RANGE",
    hint: "Use two columns and a CHECK.",
    ...recorded
  }),
  statement("DefineStmt", {
    id: "define",
    construct: "CREATE AGGREGATE, OPERATOR, COLLATION, TEXT SEARCH ..., base TYPE",
    hint: "Use what is built in.",
    ...inferred(page.subset)
  }),
  define({
    id: "sequence-cache",
    construct: "CREATE SEQUENCE without CACHE, or with a CACHE from 2 to 65535",
    message:
      "CREATE SEQUENCE is not supported without an explicit cache size. please define CACHE greater than or equal to 65536 or equal to 1",
    hint: "State a cache size: CACHE 65536 for many numbers, CACHE 1 for few left out.",
    ...recorded,
    when: { CreateSeqStmt: ({ options, sequence }) => foundIf(isCacheRefused(options), sequence?.location) }
  }),
  define({
    id: "sequence-type",
    construct: "a sequence AS anything but bigint",
    message: "datatype {type} not supported, sequence type must be bigint",
    hint: "Leave AS out: a sequence is a bigint.",
    ...linted,
    when: { CreateSeqStmt: ({ options }) => otherType(options), AlterSeqStmt: ({ options }) => otherType(options) }
  }),
  define({
    id: "temporary-sequence",
    construct: "CREATE TEMPORARY SEQUENCE, CREATE UNLOGGED SEQUENCE",
    message: "{persistence} sequence not supported for CREATE SEQUENCE",
    hint: "Use a plain sequence.",
    ...linted,
    when: {
      CreateSeqStmt: ({ sequence }) => {
        const persistence = sequence?.relpersistence
        if (persistence !== "t" && persistence !== "u") return []
        return found(sequence?.location, { persistence: persistence === "t" ? "TEMPORARY or TEMP" : "UNLOGGED" })
      }
    }
  }),
  statement("CreateTableSpaceStmt", { id: "tablespace", construct: "CREATE TABLESPACE", hint: noServer, ...recorded }),
  statement("CreateForeignTableStmt", {
    id: "foreign-table",
    construct: "CREATE FOREIGN TABLE",
    hint: "Read the other database from the application.",
    ...recorded
  }),
  define({
    id: "foreign-data",
    construct: "CREATE FOREIGN DATA WRAPPER, SERVER, USER MAPPING; IMPORT FOREIGN SCHEMA",
    message: "unsupported statement: {statement}",
    hint: "Read the other database from the application.",
    ...inferred(page.subset),
    when: {
      CreateFdwStmt: () => found(undefined, { statement: "CreateFdw" }),
      CreateForeignServerStmt: () => found(undefined, { statement: "CreateForeignServer" }),
      CreateUserMappingStmt: () => found(undefined, { statement: "CreateUserMapping" }),
      ImportForeignSchemaStmt: () => found(undefined, { statement: "ImportForeignSchema" })
    }
  }),
  define({
    id: "replication",
    construct: "CREATE PUBLICATION, CREATE SUBSCRIPTION",
    message: "unsupported statement: {statement}",
    hint: noReplication,
    ...inferred(page.subset),
    when: {
      CreatePublicationStmt: () => found(undefined, { statement: "CreatePublication" }),
      CreateSubscriptionStmt: () => found(undefined, { statement: "CreateSubscription" })
    }
  }),
  define({
    id: "row-security-policy",
    construct: "CREATE POLICY, ALTER POLICY",
    message: "unsupported statement: {statement}",
    hint: "Filter in the application, or grant on a view.",
    ...inferred(page.subset),
    when: {
      CreatePolicyStmt: ({ table }) => found(table?.location, { statement: "CreatePolicy" }),
      AlterPolicyStmt: ({ table }) => found(table?.location, { statement: "AlterPolicy" })
    }
  }),
  statement("RuleStmt", {
    id: "rewrite-rule",
    construct: "CREATE RULE",
    hint: "Use a view.",
    ...inferred(page.subset)
  }),
  statement("CreateEventTrigStmt", {
    id: "event-trigger",
    construct: "CREATE EVENT TRIGGER",
    hint: "Leave it out: there are no triggers.",
    ...inferred(page.subset)
  }),
  statement("CreatePLangStmt", {
    id: "procedural-language",
    construct: "CREATE LANGUAGE",
    hint: "Write functions in LANGUAGE sql.",
    ...inferred(page.subset)
  }),
  statement("AlterDefaultPrivilegesStmt", {
    id: "default-privileges",
    construct: "ALTER DEFAULT PRIVILEGES",
    hint: "GRANT on each object on this service date.",
    ...inferred(page.releases),
    until: "2026-04-24"
  }),
  statement("CreateStatsStmt", {
    id: "extended-statistics",
    construct: "CREATE STATISTICS",
    hint: "Leave it out on this service date.",
    ...inferred(page.releases),
    until: "2026-08-27"
  }),
  define({
    id: "function-result",
    construct: "CREATE FUNCTION that returns a type that no column can have: a range, xml, inet, ...",
    message: "datatype {type} not supported",
    hint: "Return text, or the columns that the value is made of.",
    ...reported("'DSQL Capabilities - Measured' (public code), run on a cluster on 2026-08-28: shown of a range"),
    when: {
      CreateFunctionStmt: ({ returnType }) =>
        foundIf(Types.isNotStored(returnType), returnType?.location, { type: Types.display(returnType) })
    }
  }),
  define({
    id: "grant-on-public",
    construct: "GRANT or REVOKE on schema public, or on all of its tables",
    message: "feature not supported on system entity",
    hint: "Grant on each table, or keep the tables in a schema of your own.",
    ...reported("https://github.com/aws-devtools-labs/aws-blocks, packages/bb-distributed-data"),
    when: {
      GrantStmt: ({ objects, objtype, targtype }) =>
        foundIf(
          (targtype === "ACL_TARGET_ALL_IN_SCHEMA" || objtype === "OBJECT_SCHEMA") &&
            ParseTree.names(objects).includes("public")
        )
    }
  })
]
