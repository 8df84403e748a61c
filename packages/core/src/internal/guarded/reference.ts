/**
 * Values of a statement that are known only where it runs: its guards, their columns, and what it tells.
 */
import * as Expression from "../../Expression.ts"

/** What is referred to. */
export type Source =
  /** A guard's rows, to stand in FROM. */
  | { readonly of: "guard"; readonly name: string }
  /** A column of the row that a guard found. */
  | { readonly of: "column"; readonly name: string; readonly column: string; readonly type: Expression.Type }
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
