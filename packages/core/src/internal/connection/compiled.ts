/**
 * Statements of Effect SQL as text and values, where they are a client's own: a statement does not say whose it is, but
 * the client's compiler is asked for its text.
 */
import * as Result from "effect/Result"
import type { Compiler, Statement } from "effect/sql/Statement"
import type { Params, Transform } from "./session.ts"

/** Whose statements a compiler compiles, and what is made of their rows. */
export interface Origin {
  readonly owner: object
  readonly transform: Transform
}

/** What is sent for a statement, and what is made of its rows. */
export interface Compiled {
  readonly sql: string
  readonly params: Params
  readonly transform: Transform
}

/** Who compiled last. */
let last: Origin | undefined

/** A compiler that says whose it is. */
export const compilerOf = (compiler: Compiler, origin: Origin): Compiler => ({
  dialect: compiler.dialect,
  compile: (statement, withoutTransform) => {
    const text = compiler.compile(statement, withoutTransform)
    last = origin
    return text
  },
  withoutTransform: compiler.withoutTransform
})

/** What is sent for the statements of an owner; undefined where one is somebody else's, or cannot be compiled. */
export const compileAll = (
  statements: ReadonlyArray<Statement<object>>,
  owner: object
): ReadonlyArray<Compiled> | undefined => {
  const compiled: Array<Compiled> = []
  for (const statement of statements) {
    last = undefined
    const text = Result.try(() => statement.compile())
    // Set by a compiler of ours meanwhile, which the compiler of types cannot see.
    const origin = last as Origin | undefined
    if (Result.isFailure(text) || origin?.owner !== owner) return undefined
    const [sql, params] = text.success
    compiled.push({ sql, params, transform: origin.transform })
  }
  return compiled
}
