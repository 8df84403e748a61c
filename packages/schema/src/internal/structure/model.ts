/**
 * What a catalogue holds, as far as it is compared.
 */
import type * as Sequence from "./sequence.ts"

export interface Column {
  /** `text`, or `text COLLATE "C"`. */
  readonly type: string
  readonly nullable: boolean
  /** The default, or how the value is generated; undefined for none. */
  readonly default: string | undefined
  /** Of an identity column. */
  readonly sequence?: Sequence.Options
}

export interface Index {
  /** The key of its table. */
  readonly table: string
  readonly definition: string
  /** The same without its expressions, and these in their order. */
  readonly form: string
  readonly expressions: ReadonlyArray<string>
  /** The columns that it only carries. */
  readonly including: ReadonlyArray<string>
  /** Whether a statement gives its name; PostgreSQL names the indexes of LIKE itself. */
  readonly isNamed: boolean
  /** The columns in order where they are all that it is of, as a constraint on it would have them. */
  readonly columns: ReadonlyArray<string>
}

export interface Table {
  readonly columns: Map<string, Column>
  /** `PRIMARY KEY ("a", "b")`, by name. */
  readonly constraints: Map<string, string>
}

/** A table that the query of a view reads. */
export interface Reading {
  /** Where its name stands in the query. */
  readonly from: number
  readonly to: number
  readonly alias: { readonly name: string; readonly isGiven: boolean }
  /** The key that the table had when the view was created, and the one that it has. */
  readonly name: string
  readonly table: string
  /** The columns that it had then, and what they are called now. */
  readonly columns: ReadonlyMap<string, string>
}

export interface View {
  readonly kind: "view"
  /** As it was written. */
  readonly query: string
  /** Name and columns of CREATE RECURSIVE VIEW. */
  readonly recursion: readonly [name: string, columns: string] | undefined
  /** What its columns are called where the query does not say. */
  readonly columns: ReadonlyArray<string>
  readonly options: ReadonlyMap<string, string>
  readonly reads: ReadonlyArray<Reading>
  /** Whether a view that it reads is another by now. */
  readonly isDated: boolean
}

/** A view, or a sequence with its options. */
export type Relation = View | { readonly kind: "sequence"; readonly options: Sequence.Options }

/** Keys are names, with their schema where it is not the current one. */
export interface Structure {
  /** The schemas that the statements speak of, the current one included. */
  readonly schemas: Set<string>
  readonly tables: Map<string, Table>
  readonly indexes: Map<string, Index>
  readonly relations: Map<string, Relation>
  /** What was there once and is gone: tables that were dropped or renamed. */
  readonly gone: Set<string>
}

export const primaryKey = "PRIMARY KEY"

export type RelationName = { readonly schemaname?: string; readonly relname?: string } | undefined

/** The key of a relation's name. */
export type KeyOf = (relation: RelationName) => string
