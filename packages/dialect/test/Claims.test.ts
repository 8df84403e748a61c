import { Claim, Linter } from "@effect-dsql/dialect"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"

const claims = Claim.parse(readFileSync(new URL("../recordings/claims.tsv", import.meta.url), "utf8")).filter(
  // What a connection asks for as it begins is no statement.
  ({ options }) => options === undefined
)

/** The errors of a script in which each statement begins a line of its own. */
const errors = (statements: ReadonlyArray<string>) =>
  Effect.map(Linter.lint(statements.map((sql) => sql.replaceAll("\n", " ")).join(";\n")), (findings) =>
    findings.filter(({ severity }) => severity === "error")
  )

/** Refusals that the linter does not tell, or tells otherwise, and why. */
const untold: Readonly<Record<string, string>> = {
  F002: "reads values",
  F013: "computes values",
  F015: "computes values",
  F019: "computes values",
  F063: "the parser refuses it first, with 42601",
  F083: "reads the catalogue: the name of a constraint",
  F113: "reads rows",
  F119: "counts rows",
  F120: "reads rows",
  F123: "reads rows",
  F132: "reads the catalogue: the volatility of a function",
  F155: "asks for a job that is not there",
  F162: "a session's state: ANALYZE in a transaction",
  F187: "disputed: refused until the page that allows PL/pgSQL",
  F189: "disputed: refused until the page that allows PL/pgSQL",
  F190: "disputed: refused until the page that allows PL/pgSQL",
  F209: "a session's state: read only",
  F243: "recorded once, in May 2025",
  F250: "a transaction's state: read only",
  F263: "counts rows",
  F264: "computes values",
  F284: "reads the catalogue: a role that exists",
  F308: "counts schemas",
  F330: "computes values"
}

describe("what is known of clusters", () => {
  it.effect("is an error of the linter only where a cluster refuses it", () =>
    Effect.gen(function* () {
      const wrong: Array<string> = []
      for (const { answer, id, setup, statements } of claims) {
        const all = [...setup, ...statements]
        const accepted = answer._tag === "Refused" ? all.slice(0, -1) : all
        for (const { message } of yield* errors(accepted)) wrong.push(`${id}: ${message}`)
      }
      // One adapter's code says that a setting allows it, and nobody has confirmed it.
      assert.deepStrictEqual(wrong, ["F148: unsupported mode. please use CREATE INDEX ASYNC."])
    })
  )

  it.effect("is an error of the linter, with the cluster's SQLSTATE and message, where a script shows it", () =>
    Effect.gen(function* () {
      const different: Array<string> = []
      for (const { answer, id, setup, statements } of claims) {
        if (answer._tag !== "Refused") continue
        const all = [...setup, ...statements]
        const told = (yield* errors(all)).filter(({ line }) => line === all.length)
        const isTold = told.some(
          ({ message, sqlstate }) =>
            sqlstate === (answer.sqlstate ?? sqlstate) && message === (answer.message ?? message)
        )
        if (isTold === id in untold) different.push(`${id} ${JSON.stringify(told)}`)
      }
      assert.deepStrictEqual(different, [])
    })
  )
})
