/**
 * What statements leave in a catalogue, in their order. It is read from a
 * version's SQL and, the same way, from the SQL that describes what is there.
 */
import { names } from "@effect-dsql/dialect/ParseTree"
import type { Statement } from "@effect-dsql/dialect/Statement"
import * as Alteration from "./alteration.ts"
import * as Creation from "./creation.ts"
import type { KeyOf, RelationName, Structure } from "./model.ts"
import * as Sequence from "./sequence.ts"
import * as View from "./view.ts"

/** Reads statements in their order; names without a schema are in the current one. */
export const of = (statements: ReadonlyArray<Statement>, schema: string): Structure => {
  const structure = empty(schema)
  for (const statement of statements) add(structure, statement, schema)
  return structure
}

const empty = (schema: string): Structure => ({
  schemas: new Set([schema]),
  tables: new Map(),
  indexes: new Map(),
  relations: new Map(),
  gone: new Set()
})

/** Reads one statement more into a structure. */
export const add = (structure: Structure, statement: Statement, schema: string): void =>
  enter(structure, statement, (relation) => {
    const own = relation?.schemaname ?? schema
    structure.schemas.add(own)
    return key(own, relation?.relname ?? "", schema)
  })

/** All names of relations in it, of those that are gone too, without their schemas; and perhaps more. */
export const namesIn = ({ gone, indexes, relations, tables }: Structure): ReadonlyArray<string> =>
  // A name may have a dot of its own.
  [...tables.keys(), ...indexes.keys(), ...relations.keys(), ...gone].flatMap((key) => [
    key,
    key.slice(key.indexOf(".") + 1)
  ])

/** The key of a name in a schema. */
export const key = (schema: string, name: string, current: string): string =>
  schema === current ? name : `${schema}.${name}`

const enter = (structure: Structure, statement: Statement, keyOf: KeyOf): void => {
  const { node } = statement
  if ("CreateStmt" in node) return Creation.create(structure, node.CreateStmt, keyOf)
  if ("IndexStmt" in node) return Creation.index(structure, node.IndexStmt, keyOf)
  if ("ViewStmt" in node) {
    const key = keyOf(node.ViewStmt.view)
    if (structure.relations.has(key)) View.viewChanged(structure, key)
    return void structure.relations.set(key, View.read(structure, statement, node.ViewStmt, keyOf))
  }
  if ("CreateSeqStmt" in node) {
    const { if_not_exists, options, sequence } = node.CreateSeqStmt
    const key = keyOf(sequence)
    if (if_not_exists === true && structure.relations.has(key)) return
    return void structure.relations.set(key, {
      kind: "sequence",
      options: Sequence.read(options, Sequence.defaults("bigint"))
    })
  }
  if ("AlterSeqStmt" in node) {
    const key = keyOf(node.AlterSeqStmt.sequence)
    const found = structure.relations.get(key)
    if (found?.kind !== "sequence") return
    return void structure.relations.set(key, {
      ...found,
      options: Sequence.read(node.AlterSeqStmt.options, found.options)
    })
  }
  if ("AlterTableStmt" in node) return Alteration.alter(structure, node.AlterTableStmt, keyOf)
  if ("RenameStmt" in node) return Alteration.rename(structure, node.RenameStmt, keyOf)
  if ("AlterObjectSchemaStmt" in node) {
    const { newschema, relation } = node.AlterObjectSchemaStmt
    return Alteration.move(structure, keyOf(relation), keyOf(named(relation?.relname, newschema)))
  }
  if ("DropStmt" in node) {
    for (const object of node.DropStmt.objects ?? []) {
      const parts = "List" in object ? names(object.List.items) : []
      Alteration.drop(structure, keyOf(named(parts.at(-1), parts.at(-2))))
    }
  }
}

const named = (relname: string | undefined, schemaname: string | undefined): RelationName => ({
  ...(schemaname === undefined ? {} : { schemaname }),
  ...(relname === undefined ? {} : { relname })
})
