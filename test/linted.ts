/**
 * The statements of a suite, linted when it ends: one that Aurora DSQL would refuse fails the suite that sent it.
 */
import { Linter } from "@effect-dsql/dialect"
import { Testing } from "@effect-dsql/testing"
import { Effect, Layer } from "effect"
import { schemaText } from "./migrated.ts"

/** Lints what the suite sends, beside a built-in schema; what the log held before the suite reset it, too. */
export const linted = (schema?: string) =>
  Layer.effect(
    Testing.Control,
    Effect.gen(function* () {
      const control = yield* Testing.Control
      const texts = new Set<string>()
      const collect = Effect.map(control.statements(), (arrivals) => {
        for (const { sql } of arrivals) texts.add(sql)
      })
      // The suite has sent nothing yet.
      yield* control.reset
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          collect,
          Effect.suspend(() => lint(texts, schema))
        )
      )
      return { ...control, reset: Effect.andThen(collect, control.reset) }
    })
  )

const accepted = new Set<string>()

// Most of these rules look at a file as a whole; the statements come one by one. What a test looks up by a part of a key
// needs no index: `ExecutionStatements` asks that of what the stores send alone.
const options = { disable: ["job-not-awaited", "transaction-left-open", "no-transaction", "filter-index"] }

const lint = Effect.fnUntraced(function* (texts: ReadonlySet<string>, schema?: string) {
  const tables = yield* schemaText(schema)
  for (const text of texts) {
    if (accepted.has(text)) continue
    const [finding] = yield* Linter.lint(text, { ...options, schema: tables })
    if (finding !== undefined) yield* Effect.die(new Error(`${finding.rule}: ${finding.message}\n${text}`))
    accepted.add(text)
  }
})
