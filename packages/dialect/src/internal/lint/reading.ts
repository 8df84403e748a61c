/**
 * Reads a file: its statements, whatever stands between them, and what could not be read.
 */
import * as Effect from "effect/Effect"
import * as Source from "../../Source.ts"
import type { Recovered } from "./recovery.ts"
import { recover } from "./recovery.ts"
import type { Region } from "./regions.ts"
import { regions } from "./regions.ts"

/** A file that was read. */
export interface Reading extends Recovered {
  readonly source: Source.Source
  readonly commands: ReadonlyArray<Region>
}

/** Reads a file. */
export const read = Effect.fnUntraced(function* (sql: string): Effect.fn.Return<Reading> {
  // A byte order mark is no part of the first statement.
  const source = Source.make(sql.startsWith("\uFEFF") ? ` ${sql.slice(1)}` : sql)
  const { commands, sql: parts } = yield* regions(source.text)
  const found = yield* Effect.forEach(parts, (part) => recover(source, part))
  return {
    source,
    commands,
    statements: found.flatMap(({ statements }) => statements),
    errors: found.flatMap(({ errors }) => errors),
    tokens: found.flatMap(({ tokens }) => tokens)
  }
})
