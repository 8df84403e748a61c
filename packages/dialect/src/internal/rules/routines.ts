/**
 * Functions, procedures and DO blocks. Clusters were seen to refuse PL/pgSQL until October 2026; a page of AWS that has
 * no date says that they take it. What a body runs is held to the rules as if it stood alone.
 */
import type { Statement } from "../../Statement.ts"
import * as ParseTree from "../../ParseTree.ts"
import { language } from "../statement/routine.ts"
import type { Definition, Match } from "./definition.ts"
import { define, documented, found, foundIf, page, recorded, unknown } from "./definition.ts"

/** The first day on which AWS's page about PL/pgSQL was read; recordings until 2026-10-01 refuse it. */
const procedural = "2026-11-28"

type Kind = NonNullable<Statement["body"]>["parts"][number]["kind"]

const parts = (...kinds: ReadonlyArray<Kind>): Definition["when"] => {
  const find = (_: unknown, { body }: Statement): ReadonlyArray<Match> =>
    (body?.parts ?? []).filter(({ kind }) => kinds.includes(kind)).map(({ place }) => ({ place }))
  return { CreateFunctionStmt: find, DoStmt: find }
}

const languageRefused = (isRefused: (language: string) => boolean): Definition["when"] => ({
  CreateFunctionStmt: (node) =>
    foundIf(isRefused(language(node)), ParseTree.option(node.options, "language")?.location, {
      language: language(node)
    })
})

export const routines: ReadonlyArray<Definition> = [
  define({
    id: "do-block",
    construct: "DO",
    message: "unsupported statement: Do",
    hint: "Run the statements from the application on this service date.",
    ...documented(page.plpgsql),
    until: procedural,
    when: { DoStmt: () => found() }
  }),
  define({
    id: "procedure",
    construct: "CREATE PROCEDURE",
    message: "PROCEDURE is not supported",
    hint: "Run the statements from the application, in one transaction, on this service date.",
    ...documented(page.plpgsql),
    until: procedural,
    when: { CreateFunctionStmt: ({ is_procedure }) => foundIf(is_procedure) }
  }),
  define({
    id: "function-plpgsql",
    construct: "CREATE FUNCTION in PL/pgSQL",
    message: "CREATE FUNCTION with language {language} not supported",
    hint: "Write it in LANGUAGE sql, or in the application, on this service date.",
    ...recorded,
    until: procedural,
    when: languageRefused((language) => language === "plpgsql")
  }),
  define({
    id: "function-language",
    construct: "CREATE FUNCTION in a language other than sql and plpgsql",
    message: "CREATE FUNCTION with language {language} not supported",
    hint: "Write it in LANGUAGE sql or plpgsql, or in the application.",
    ...recorded,
    when: languageRefused((language) => language !== "sql" && language !== "plpgsql")
  }),
  define({
    id: "exception-block",
    construct: "EXCEPTION in PL/pgSQL",
    message:
      "EXCEPTION in PL/pgSQL is refused here: it is not known whether Aurora DSQL, which has no savepoints, runs it",
    hint: "Check before instead of catching after, or catch the error in the application and run the transaction again.",
    ...unknown,
    when: parts("exception")
  }),
  define({
    id: "transaction-in-body",
    construct: "COMMIT or ROLLBACK in PL/pgSQL",
    message: "COMMIT and ROLLBACK in PL/pgSQL are refused here: it is not known how Aurora DSQL runs them",
    hint: "Begin and end transactions in the application.",
    ...unknown,
    when: parts("commit", "rollback")
  })
]
