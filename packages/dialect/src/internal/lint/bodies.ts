/**
 * Lint rules over what functions, procedures and DO blocks run: what of it could not be read.
 */
import type { Check, Spot } from "./script.ts"
import { guide } from "./script.ts"

const unread: Check = {
  id: "body-not-read",
  severity: "warning",
  description: "a body that PL/pgSQL's parser does not read",
  hint: "Correct it, or check by hand what it runs: nothing of it was linted.",
  source: guide("working-with-plpgsql"),
  find: ({ statements }) =>
    statements.flatMap((statement) =>
      (statement.body?.unread ?? []).map((error): Spot => ({
        statement,
        place: error,
        message: `the body was not read: ${error.message}`
      }))
    )
}

const dynamic: Check = {
  id: "dynamic-sql",
  severity: "info",
  description: "EXECUTE in PL/pgSQL of a text that is put together when it runs",
  hint: "Write the statement out, or check by hand what it runs.",
  source: guide("working-with-plpgsql"),
  find: ({ statements }) =>
    statements.flatMap((statement) =>
      (statement.body?.parts ?? [])
        .filter(({ kind }) => kind === "execute")
        .map(({ place }): Spot => ({ statement, place, message: "what EXECUTE runs was not read" }))
    )
}

export const bodyChecks: ReadonlyArray<Check> = [unread, dynamic]
