/**
 * What DSQL does not define, change or drop: everything but tables and indexes.
 */
import * as ParseTree from "../../ParseTree.ts"
import type { Definition } from "./definition.ts"
import { define, found, foundIf, inferred, page, recorded, reported, statement } from "./definition.ts"
import { isCacheRefused } from "./tables.ts"

const noServer = "Leave it out: the service runs the server."
const noReplication = "Use the service's change data capture streams."
const noTypes = "Use a domain, or text with a CHECK."

/** Kinds of objects that DSQL never has, so that their DROP has nothing to name. */
const neverDropped: ReadonlySet<string> = new Set([
  "OBJECT_EVENT_TRIGGER",
  "OBJECT_EXTENSION",
  "OBJECT_FOREIGN_TABLE",
  "OBJECT_MATVIEW",
  "OBJECT_POLICY",
  "OBJECT_PUBLICATION",
  "OBJECT_RULE",
  "OBJECT_TRIGGER"
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
    construct: "DROP TRIGGER, EXTENSION, MATERIALIZED VIEW, POLICY, ...",
    message: "unsupported object in DROP statement",
    hint: "Leave it out: there is nothing of the kind.",
    ...inferred(page.subset),
    when: { DropStmt: ({ removeType }) => foundIf(neverDropped.has(removeType ?? "")) }
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
