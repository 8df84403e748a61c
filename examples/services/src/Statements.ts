/**
 * What reached the database, and what of it Aurora DSQL would refuse.
 */
import { Linter } from "@effect-dsql/dialect"
import type { Emulator } from "@effect-dsql/emulator"
import { Effect } from "effect"

/** Lints every statement that the emulator has seen, each text once. */
export const refusedStatements = Effect.fnUntraced(function* ({ control }: Emulator.Emulator) {
  const arrivals = yield* control.statements()
  const texts = [...new Set(arrivals.map(({ sql }) => sql))]
  const found = yield* Effect.forEach(texts, (sql) => Linter.lint(sql, { file: sql }))
  return { total: arrivals.length, refused: found.flat().filter(({ severity }) => severity === "error") }
})
