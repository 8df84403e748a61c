/**
 * A statement of a schema, and what it leaves behind in the catalogue.
 *
 * @since 0.1.0
 * @stability unstable
 */

/**
 * The name of a relation. Without a schema it is looked for, and created, in the current one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Name {
  readonly schema: string | undefined
  readonly name: string
}

/**
 * What a statement brings about or takes away that is no relation, or a part of one: the `columns` and `constraints` of
 * a table, and where its sequence begins (`restart`), or a sequence does.
 *
 * @since 0.1.0
 * @category models
 */
export interface CatalogueObject {
  readonly kind:
    | "cast"
    | "columns"
    | "constraints"
    | "domain constraints"
    | "function"
    | "relation"
    | "restart"
    | "role"
    | "schema"
    | "statistics"
    | "type"
  /** Of a cast, one of its types; of a part, the whole. */
  readonly name: Name
}

/**
 * What a statement leaves behind in the catalogue, by which one can see that it has run.
 *
 * - `CreateTable` to `CreateRelation`: something is there that was not.
 * - `AddColumn` to `ValidateConstraint`: a table has changed.
 * - `RenameRelation`, `Drop`: something is gone.
 * - `Repeatable`: it leaves the same however often it runs, so whether it has run need not be known.
 * - `Other`: objects that are no relations, or parts of one, have come, gone or changed.
 *
 * @since 0.1.0
 * @category models
 */
export type Target =
  | { readonly _tag: "CreateTable"; readonly name: Name }
  | { readonly _tag: "CreateIndex"; readonly name: Name; readonly table: Name; readonly unique: boolean }
  | { readonly _tag: "CreateRelation"; readonly name: Name; readonly kind: "view" | "sequence" }
  | { readonly _tag: "AddColumn"; readonly table: Name; readonly column: string }
  | { readonly _tag: "DropColumn"; readonly table: Name; readonly column: string }
  | { readonly _tag: "RenameColumn"; readonly table: Name; readonly column: string; readonly to: string }
  | { readonly _tag: "AddConstraint"; readonly table: Name; readonly constraint: string }
  | { readonly _tag: "DropConstraint"; readonly table: Name; readonly constraint: string }
  | { readonly _tag: "ValidateConstraint"; readonly table: Name; readonly constraint: string }
  | { readonly _tag: "RenameRelation"; readonly name: Name; readonly to: Name }
  | { readonly _tag: "Drop"; readonly name: Name; readonly kind: "table" | "index" | "view" | "sequence" }
  | { readonly _tag: "Repeatable" }
  | { readonly _tag: "Other"; readonly objects: ReadonlyArray<CatalogueObject> }

/**
 * A statement of a schema file.
 *
 * @since 0.1.0
 * @category models
 */
export interface SqlStatement {
  /** As written, for Aurora DSQL. */
  readonly text: string
  /** The same for plain PostgreSQL, which has no ASYNC. */
  readonly postgres: string
  /** As written, without the passwords in it: for people, and for what is kept. */
  readonly shown: string
  /** Whether DSQL answers with the id of a job that does the work. */
  readonly async: boolean
  /** Whether it changes rows, not the catalogue, or may: then what is recorded of it commits with it. */
  readonly changesRows: boolean
  /** SHA-256 of it as it is shown, in hexadecimal, whatever the line endings. */
  readonly checksum: string
  /** The file and line, for people: `versioned/v1.0/schema.sql:12`. */
  readonly location: string
  /** What it does, in a few words: `CREATE TABLE shards`. */
  readonly summary: string
  readonly target: Target
}
