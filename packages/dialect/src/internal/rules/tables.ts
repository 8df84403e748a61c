/**
 * What DSQL refuses in CREATE TABLE, and in the columns of ALTER TABLE ... ADD COLUMN where it is the same rule.
 */
import type { ColumnDef, Constraint, ConstrType, Node, TypeName } from "libpg-query"
import * as Limits from "../../Limits.ts"
import * as ParseTree from "../../ParseTree.ts"
import { addedColumns, commands } from "./commands.ts"
import type { Definition, Match } from "./definition.ts"
import {
  define,
  documented,
  found,
  foundIf,
  inferred,
  linted,
  measured,
  measuredLimit,
  observed,
  page,
  recorded
} from "./definition.ts"
import * as Types from "./types.ts"

const cacheHint = "State a cache size: CACHE 65536 for many inserts, CACHE 1 for few numbers left out."

/** The constraints of a column, with what they are. */
export const constraints = (column: ColumnDef): ReadonlyArray<Constraint> =>
  ParseTree.all(column.constraints, "Constraint")

/** The constraints that a table lists beside its columns. */
const tableConstraints = (table: ParseTree.Fields<"CreateStmt">): ReadonlyArray<Constraint> =>
  ParseTree.all(table.tableElts, "Constraint")

/** Whether a CACHE option is missing or a size that DSQL refuses: only 1 and 65,536 upwards are accepted. */
export const isCacheRefused = (options: ReadonlyArray<Node> | undefined): boolean => {
  const cache = ParseTree.option(options, "cache")?.arg
  // A number beyond 32 bits comes as a Float.
  const size = ParseTree.as(cache, "Integer")?.ival ?? Number(ParseTree.as(cache, "Float")?.fval ?? 0)
  return size !== 1 && size < 65_536
}

const columns =
  (find: (column: ColumnDef) => ReadonlyArray<Match>) =>
  (table: ParseTree.Fields<"CreateStmt">): ReadonlyArray<Match> =>
    Types.listed(table).flatMap(find)

const identities = (column: ColumnDef): ReadonlyArray<Constraint> =>
  constraints(column).filter((constraint) => constraint.contype === "CONSTR_IDENTITY")

const typeMatch = (column: ColumnDef): ReadonlyArray<Match> =>
  found(column.typeName?.location, { type: Types.display(column.typeName) })

const serial = (column: ColumnDef) =>
  Types.isSerial(column.typeName)
    ? found(column.typeName?.location, { type: Types.builtin(column.typeName) ?? "serial" })
    : []

const notStored = (column: ColumnDef) => (Types.isNotStored(column.typeName) ? typeMatch(column) : [])

const array = (column: ColumnDef) => (Types.isArray(column.typeName) ? typeMatch(column) : [])

const json = (type: string) => (column: ColumnDef) =>
  foundIf(Types.builtin(column.typeName) === type && !Types.isArray(column.typeName), column.typeName?.location)

const longer = (type: string, limit: number) => (column: ColumnDef) =>
  foundIf(
    Types.builtin(column.typeName) === type && (Types.length(column.typeName) ?? 0) > limit,
    column.typeName?.location
  )

const foreignKeys = (table: ParseTree.Fields<"CreateStmt">): ReadonlyArray<Match> =>
  [...Types.listed(table).flatMap(constraints), ...tableConstraints(table)]
    .filter((constraint) => constraint.contype === "CONSTR_FOREIGN")
    .map(({ location }) => ({ location }))

// On a column, DEFERRABLE is a node of its own behind the constraint that it belongs to.
const deferrableColumn = (column: ColumnDef): ReadonlyArray<Match> => {
  const all = constraints(column)
  return all.flatMap((constraint, i) =>
    foundIf(
      constraint.contype === "CONSTR_ATTR_DEFERRABLE" &&
        all.slice(0, i).findLast(({ contype }) => contype?.startsWith("CONSTR_ATTR_") === false)?.contype !==
          "CONSTR_FOREIGN",
      constraint.location
    )
  )
}

const deferrableTable = (table: ParseTree.Fields<"CreateStmt">): ReadonlyArray<Match> =>
  tableConstraints(table)
    .filter(({ contype, deferrable }) => deferrable === true && contype !== "CONSTR_FOREIGN")
    .map(({ location }) => ({ location }))

const collation = ({ collClause }: ColumnDef) => foundIf(collClause !== undefined, collClause?.location)

const compression = ({ compression, location }: ColumnDef) => foundIf(compression !== undefined, location)

const storageOf = (name: string | undefined, location?: number): ReadonlyArray<Match> => {
  const storage = name?.toUpperCase()
  return storage === undefined || storage === "PLAIN" || storage === "DEFAULT" ? [] : found(location, { storage })
}

const storage = ({ location, storage_name }: ColumnDef) => storageOf(storage_name, location)

const precisionOf = (type: TypeName | undefined): ReadonlyArray<Match> => {
  const digits = Types.builtin(type) === "numeric" ? Types.length(type) : undefined
  return foundIf(digits !== undefined && digits > 1_000, type?.location, { precision: String(digits) })
}

const precision = ({ typeName }: ColumnDef) => precisionOf(typeName)

const keyOf = (table: ParseTree.Fields<"CreateStmt">, type: ConstrType): ReadonlyArray<ReadonlyArray<ColumnDef>> => {
  const listed = Types.listed(table)
  return [
    ...listed.filter((column) => constraints(column).some(({ contype }) => contype === type)).map((column) => [column]),
    ...tableConstraints(table)
      .filter(({ contype }) => contype === type)
      .map(({ keys }) => listed.filter(({ colname = "" }) => ParseTree.names(keys).includes(colname)))
  ]
}

const primaryKey = (table: ParseTree.Fields<"CreateStmt">) => keyOf(table, "CONSTR_PRIMARY")

/** The columns of each key that a table lists. */
const keys = (table: ParseTree.Fields<"CreateStmt">) => [...primaryKey(table), ...keyOf(table, "CONSTR_UNIQUE")]

export const tables: ReadonlyArray<Definition> = [
  define({
    id: "temporary-table",
    construct: "CREATE TEMPORARY TABLE",
    message: "TEMPORARY or TEMP table not supported for CREATE TABLE",
    hint: "Use a WITH query, or a plain table with a column that names the session.",
    ...recorded,
    when: { CreateStmt: ({ relation }) => foundIf(relation?.relpersistence === "t", relation?.location) }
  }),
  define({
    id: "unlogged-table",
    construct: "CREATE UNLOGGED TABLE",
    message: "UNLOGGED table not supported for CREATE TABLE",
    hint: "Leave UNLOGGED out: every table of DSQL is durable.",
    ...recorded,
    when: { CreateStmt: ({ relation }) => foundIf(relation?.relpersistence === "u", relation?.location) }
  }),
  define({
    id: "serial",
    construct: "a column of type serial, bigserial or smallserial",
    sqlstate: "42704",
    message: 'type "{type}" does not exist',
    hint: "Use uuid DEFAULT gen_random_uuid(), or bigint GENERATED BY DEFAULT AS IDENTITY (CACHE 65536).",
    ...recorded,
    when: { CreateStmt: columns(serial), AlterTableStmt: addedColumns(serial) }
  }),
  define({
    id: "identity-cache",
    construct: "an identity column without CACHE, or with a CACHE from 2 to 65535",
    message:
      "identity column is not supported without an explicit cache size. please define CACHE greater than or equal to 65536 or equal to 1",
    hint: cacheHint,
    ...recorded,
    when: {
      CreateStmt: columns((column) =>
        identities(column).flatMap(({ location, options }) => foundIf(isCacheRefused(options), location))
      ),
      AlterTableStmt: commands(({ def, subtype }) => {
        const identity = subtype === "AT_AddIdentity" ? ParseTree.as(def, "Constraint") : undefined
        return identity === undefined ? [] : foundIf(isCacheRefused(identity.options), identity.location)
      })
    }
  }),
  define({
    id: "identity-type",
    construct: "an identity column that is not bigint",
    message: "datatype {type} not supported, identity column type must be bigint",
    hint: "Make the identity column a bigint.",
    ...recorded,
    when: {
      CreateStmt: columns((column) =>
        identities(column).length > 0 && Types.builtin(column.typeName) !== "int8" ? typeMatch(column) : []
      )
    }
  }),
  define({
    id: "add-column-constraint",
    construct: "ALTER TABLE ... ADD COLUMN with NOT NULL, DEFAULT, CHECK, GENERATED, a key, a reference or an identity",
    message: "ALTER TABLE ADD COLUMN with constraint not supported",
    hint: "Add the bare column, set its default with ALTER COLUMN, and add a CHECK as NOT VALID and validate it ASYNC.",
    ...recorded,
    when: {
      AlterTableStmt: addedColumns((column) =>
        constraints(column)
          // A bare NULL is accepted: it constrains nothing.
          .filter(({ contype }) => contype !== "CONSTR_NULL")
          .slice(0, 1)
          .map(({ location }) => ({ location }))
      )
    }
  }),
  define({
    id: "column-type",
    construct: "a column of type money, xml, inet, bit, tsvector, a range, a geometric type, ...",
    message: "datatype {type} not supported",
    hint: "Store it as text, numeric, or the columns that it is made of; the type works in expressions.",
    ...recorded,
    when: { CreateStmt: columns(notStored), AlterTableStmt: addedColumns(notStored) }
  }),
  define({
    id: "array-column",
    construct: "a column of an array type",
    message: "datatype {type} not supported",
    hint: "Use jsonb, or a table with a row per element; arrays work in expressions, = ANY($1) included.",
    ...recorded,
    when: { CreateStmt: columns(array), AlterTableStmt: addedColumns(array) }
  }),
  define({
    id: "json-column",
    construct: "a column of type json",
    message: "datatype json not supported",
    hint: "Use text on this service date.",
    ...inferred(page.releases),
    until: "2026-05-04",
    when: { CreateStmt: columns(json("json")), AlterTableStmt: addedColumns(json("json")) }
  }),
  define({
    id: "jsonb-column",
    construct: "a column of type jsonb",
    message: "datatype jsonb not supported",
    hint: "Use text on this service date.",
    ...inferred(page.releases),
    until: "2026-06-05",
    when: { CreateStmt: columns(json("jsonb")), AlterTableStmt: addedColumns(json("jsonb")) }
  }),
  define({
    id: "varchar-length",
    construct: "varchar(n) with n above 65535",
    sqlstate: "54000",
    message: "Datatype limit greater than 65535 bytes not supported for varchar",
    hint: "Use text with a CHECK on its length; a value has at most 1 MiB.",
    ...measuredLimit,
    when: { CreateStmt: columns(longer("varchar", 65_535)), AlterTableStmt: addedColumns(longer("varchar", 65_535)) }
  }),
  define({
    id: "char-length",
    construct: "char(n) with n above 4096",
    sqlstate: "54000",
    message: "Datatype limit greater than 4096 bytes not supported for char",
    hint: "Use varchar or text.",
    ...measuredLimit,
    when: { CreateStmt: columns(longer("bpchar", 4_096)), AlterTableStmt: addedColumns(longer("bpchar", 4_096)) }
  }),
  define({
    id: "foreign-key",
    construct: "FOREIGN KEY or REFERENCES in CREATE TABLE",
    message: "FOREIGN KEY constraint not supported",
    hint: "Keep the reference without a constraint on this service date.",
    ...inferred(page.foreignKeys),
    until: "2026-08-26",
    when: { CreateStmt: foreignKeys }
  }),
  define({
    id: "primary-key-columns",
    construct: "PRIMARY KEY or UNIQUE with more than eight columns",
    sqlstate: "54011",
    message: "more than 8 column keys in an index are not supported",
    hint: "Use at most eight key columns.",
    ...documented(page.quotas),
    when: {
      CreateStmt: (table) =>
        tableConstraints(table).flatMap(({ keys, location }) => foundIf((keys ?? []).length > 8, location))
    }
  }),
  define({
    id: "exclusion-constraint",
    construct: "EXCLUDE in CREATE TABLE",
    message: "EXCLUDE constraint not supported",
    hint: "Use a unique index, or check for overlaps under FOR UPDATE in the transaction that writes.",
    ...inferred(page.subset),
    when: {
      CreateStmt: (table) =>
        tableConstraints(table).flatMap(({ contype, location }) => foundIf(contype === "CONSTR_EXCLUSION", location))
    }
  }),
  define({
    id: "deferrable-key",
    construct: "DEFERRABLE on anything but a foreign key",
    message: "DEFERRABLE constraint not supported",
    hint: "Only foreign keys can be deferred: leave DEFERRABLE out.",
    ...measured,
    when: { CreateStmt: (table) => [...Types.listed(table).flatMap(deferrableColumn), ...deferrableTable(table)] }
  }),
  define({
    id: "partitioned-table",
    construct: "PARTITION BY, PARTITION OF",
    message: "PARTITION {word} clause not supported for CREATE TABLE",
    hint: "Leave partitioning out: DSQL spreads every table by its primary key.",
    ...observed,
    when: {
      CreateStmt: ({ partbound, partspec }) => [
        ...foundIf(partbound !== undefined, partbound?.location, { word: "OF" }),
        ...foundIf(partspec !== undefined, partspec?.location, { word: "BY" })
      ]
    }
  }),
  define({
    id: "inherits",
    construct: "INHERITS",
    message: "INHERITS not supported for CREATE TABLE",
    hint: "Repeat the columns in each table.",
    ...inferred(page.subset),
    when: {
      CreateStmt: ({ inhRelations, partbound }) =>
        foundIf(
          (inhRelations ?? []).length > 0 && partbound === undefined,
          ParseTree.as(inhRelations?.[0], "RangeVar")?.location
        )
    }
  }),
  define({
    id: "column-collation",
    construct: "COLLATE on a column",
    message: "COLLATE clause not supported",
    hint: "Leave COLLATE out: every column has the collation C.",
    ...observed,
    when: { CreateStmt: columns(collation), AlterTableStmt: addedColumns(collation) }
  }),
  define({
    id: "column-compression",
    construct: "COMPRESSION on a column",
    message: "COMPRESSION clause not supported",
    hint: "Leave COMPRESSION out: values are compressed with lz4.",
    ...observed,
    when: { CreateStmt: columns(compression), AlterTableStmt: addedColumns(compression) }
  }),
  define({
    id: "column-storage",
    construct: "STORAGE on a column other than PLAIN and DEFAULT",
    message: "STORAGE {storage} not supported",
    hint: "Leave STORAGE out.",
    ...linted,
    when: {
      CreateStmt: columns(storage),
      AlterTableStmt: commands(({ def, subtype }) => {
        const column = subtype === "AT_AddColumn" ? ParseTree.as(def, "ColumnDef") : undefined
        if (column !== undefined) return storage(column)
        return subtype === "AT_SetStorage" ? storageOf(ParseTree.text(def) ?? ParseTree.name(def)) : []
      })
    }
  }),
  define({
    id: "table-options",
    construct: "CREATE TABLE ... WITH (fillfactor, autovacuum_enabled, ...)",
    message: "WITH clause not supported for CREATE TABLE",
    hint: "Leave WITH out: the service runs the storage.",
    ...linted,
    when: {
      CreateStmt: ({ options }) => {
        const option = ParseTree.all(options, "DefElem").find(({ defname }) => defname !== "oids")
        return foundIf(option !== undefined, option?.location)
      }
    }
  }),
  define({
    id: "table-on-commit",
    construct: "CREATE TABLE ... ON COMMIT",
    message: "ON COMMIT clause not supported for CREATE TABLE",
    hint: "Leave ON COMMIT out: there are no temporary tables.",
    ...linted,
    when: { CreateStmt: ({ oncommit }) => foundIf(oncommit !== undefined && oncommit !== "ONCOMMIT_NOOP") }
  }),
  define({
    id: "numeric-precision",
    construct: "numeric(n) with n above 1000",
    sqlstate: "22023",
    message: "NUMERIC precision {precision} must be between 1 and 1000",
    hint: "State at most 1,000 digits; numeric alone is numeric(18,6).",
    ...measuredLimit,
    when: {
      CreateStmt: columns(precision),
      AlterTableStmt: addedColumns(precision),
      TypeCast: ({ typeName }) => precisionOf(typeName)
    }
  }),
  define({
    id: "table-column-limit",
    construct: "CREATE TABLE with more than 256 columns",
    sqlstate: "54011",
    message: "{problem}",
    hint: "Move columns that are rarely read into a second table with the same key, or into jsonb.",
    ...measuredLimit,
    when: {
      CreateStmt: (table) =>
        foundIf(Types.listed(table).length > Limits.tableColumnsSeen, table.relation?.location, {
          problem:
            primaryKey(table).length > 0
              ? `cannot use more than ${Limits.tableColumnsSeen} columns in an index`
              : `tables can have at most ${Limits.tableColumns} columns`
        })
    }
  }),
  define({
    id: "key-declared-bytes",
    construct: "a PRIMARY KEY or UNIQUE whose columns are declared with more than 2,000 bytes together",
    sqlstate: "54000",
    message: "key size greater than 2000 bytes not supported",
    hint: "Declare shorter columns, or use text: only what is declared is counted.",
    ...measuredLimit,
    when: {
      CreateStmt: (table) =>
        keys(table).flatMap((key) =>
          foundIf(
            key.reduce((total, { typeName }) => total + Types.declaredBytes(typeName), 0) > Limits.declaredKeyBytes,
            table.relation?.location
          )
        )
    }
  }),
  define({
    id: "table-tablespace",
    construct: "CREATE TABLE ... TABLESPACE",
    message: "TABLESPACE not supported for CREATE TABLE",
    hint: "Leave TABLESPACE out: DSQL has no tablespaces.",
    ...inferred(page.subset),
    when: { CreateStmt: ({ tablespacename }) => foundIf(tablespacename !== undefined) }
  }),
  define({
    id: "table-access-method",
    construct: "CREATE TABLE ... USING",
    message: "USING not supported for CREATE TABLE",
    hint: "Leave USING out: DSQL has one storage.",
    ...inferred(page.subset),
    when: { CreateStmt: ({ accessMethod }) => foundIf(accessMethod !== undefined) }
  })
]
