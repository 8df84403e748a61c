/**
 * Values of a statement that are known only where it runs: its guards, their columns, and what it tells.
 */
import * as Expression from "../../Expression.ts"

/** What is referred to. */
export type Source =
  /** A guard's rows, to stand in FROM. */
  | { readonly of: "guard"; readonly guard: symbol }
  /** A column of the row that a guard found. */
  | { readonly of: "column"; readonly guard: symbol; readonly column: string; readonly type: Expression.Type }
  | { readonly of: "tell"; readonly name: string; readonly type: Expression.Type }

/** Stands among an expression's values until the statement is written. */
export class Reference {
  readonly source: Source

  constructor(source: Source) {
    this.source = source
  }
}

/** An expression that is nothing but a reference. */
export const reference = (source: Source): Expression.Expression => Expression.sql`${new Reference(source)}`

/** A reference in words, the same for all that refer to the same; a line break stands in no name of the toolkit's. */
export const spoken = (guards: ReadonlyArray<{ readonly id: symbol }>, source: Source): string => {
  switch (source.of) {
    case "guard":
      return `guard\n${found(guards, source.guard).place}`
    case "column":
      return `column\n${found(guards, source.guard).place}\n${source.column}\n${source.type}`
    case "tell":
      return `tell\n${source.name}\n${source.type}`
  }
}

/** The guard that is referred to, and its place among guards: it is known by its id, whatever others are called. */
export const found = <G extends { readonly id: symbol }>(
  guards: ReadonlyArray<G>,
  id: symbol
): { readonly guard: G; readonly place: number } => {
  const place = guards.findIndex((guard) => guard.id === id)
  const guard = guards[place]
  if (guard === undefined) throw new Error(`guard ${id.description ?? ""} is referred to where it does not stand`)
  return { guard, place }
}
