/**
 * What a statement is, and what is said of a text that is none.
 */
import * as Data from "effect/Data"
import type { Node } from "libpg-query"
import type * as Source from "../../Source.ts"
import type { Kind } from "../kinds.ts"
import * as Tokens from "../tokens.ts"

/**
 * One statement. Compare by `text`: a tree holds its places in the source that it was parsed from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Statement {
  /** The statement as written, from its first token to its last: no comment around it, no semicolon. */
  readonly text: string
  /** The same length, as PostgreSQL 16 can read it: spaces for ASYNC and AWS IAM, a quoted name for an ARN. */
  readonly postgres: string
  /** Where `text` begins in the source: UTF-16 units from 0. */
  readonly offset: number
  /** The line that `text` begins on, from 1. */
  readonly line: number
  /** The column that `text` begins at, from 1, in UTF-16 units. */
  readonly column: number
  /** Whether it is `CREATE INDEX ASYNC` or `ALTER TABLE ASYNC`. */
  readonly async: boolean
  /** What it is for. */
  readonly kind: Kind
  /** PostgreSQL's raw parse tree; its `location`s are read with {@link at}. */
  readonly node: Node
  /** The text that the statement was parsed from. */
  readonly source: Source.Source
  /** What it runs when it is called, or at once if it is a DO block; left out where it holds no program. */
  readonly body?: Body | undefined
}

/**
 * The program in CREATE FUNCTION, CREATE PROCEDURE or DO. Its statements have their places in the whole text; one that
 * its literal does not show as it is, because quotes in it are doubled, is placed at the literal.
 *
 * @since 0.1.0
 * @category models
 */
export interface Body {
  /** In lower case; statements are known of `sql` and `plpgsql`. */
  readonly language: string
  /** Its statements in the order of the text, and as queries the expressions that call or select something. */
  readonly statements: ReadonlyArray<Statement>
  /** Those of them that every run of it runs: under no condition, in no loop, after nothing that may return. */
  readonly always: ReadonlyArray<Statement>
  /**
   * What else it holds: a handler of exceptions, the end of a transaction, and EXECUTE of a text that is not to be read
   * here. */
  readonly parts: ReadonlyArray<{
    readonly kind: "exception" | "commit" | "rollback" | "execute"
    readonly place: Source.Place
  }>
  /** Why it, or a part of it, could not be read. */
  readonly unread: ReadonlyArray<SyntaxError>
}

/**
 * Where a text stands in a larger one, which gives the places: `at` is the offset there of an offset in the text.
 *
 * @since 0.1.0
 * @category models
 */
export interface Inside {
  readonly source: Source.Source
  readonly at: (offset: number) => number
}

/**
 * A text that is not SQL, with the place where the parser gave up.
 *
 * @since 0.1.0
 * @category errors
 */
export class SyntaxError extends Data.TaggedError("SyntaxError")<{
  /** `42601`; `54001` for a text nested too deeply to parse; `22021` for a NUL character. */
  readonly sqlstate: "42601" | "54001" | "22021"
  /** PostgreSQL's message, for example `syntax error at or near "FORM"`. */
  readonly message: string
  /** The same for people: on one line, and `***` for what may be a password. */
  readonly shown: string
  readonly offset: number
  readonly line: number
  readonly column: number
}> {}

/** What the parser says, at an offset of a text. */
export const syntaxError = (
  source: Source.Source,
  sqlstate: SyntaxError["sqlstate"],
  message: string,
  offset: number
) => new SyntaxError({ sqlstate, message, shown: discreet(message, source.text, offset), ...source.place(offset) })

/** Characters of a text that an error shows. */
const longest = 40

/** What is near the word PASSWORD may be one, and what is near an open quote is all the rest of the text. */
const discreet = (message: string, sql: string, offset: number): string =>
  message.replace(/"(.*)"$/s, (_, near: string) => {
    const before = sql.slice(sql.lastIndexOf(";", offset - 1) + 1, offset)
    const [line = ""] = near.slice(0, longest).split(/[\r\n]/)
    return `"${Tokens.mentions(before + near, "PASSWORD") ? "***" : line === near ? near : `${line}…`}"`
  })
