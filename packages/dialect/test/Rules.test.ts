import { Dialect, Limits, Linter } from "@effect-dsql/dialect"
import { describe, expect, it } from "@effect/vitest"

const cell = (text: string) => text.replaceAll("|", "\\|")

const table = (heads: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) =>
  [heads, heads.map(() => "---"), ...rows].map((row) => `| ${row.map(cell).join(" | ")} |`).join("\n")

const dialect = new Set(Dialect.rules.map(({ id }) => id))

const document = `# Rules

Written by \`test/Rules.test.ts\`; \`vitest run packages/dialect -u\` writes it again.

## What Aurora DSQL refuses

Known from: *recorded*, a cluster's answer word for word; *documented*, AWS's documentation or the report of somebody who
met it; *inferred*, not among what AWS lists as supported, with a message by analogy. *Until* is the first day without
the restriction.

${table(
  ["rule", "construct", "SQLSTATE", "message", "known from", "since", "until", "instead"],
  Dialect.rules.map((rule) => [
    `\`${rule.id}\``,
    rule.construct,
    rule.sqlstate,
    `\`${rule.message}\``,
    rule.evidence,
    rule.since ?? "",
    rule.until ?? "",
    rule.hint
  ])
)}

## What the linter finds besides

${table(
  ["rule", "severity", "finds", "instead"],
  Linter.rules
    .filter(({ id }) => !dialect.has(id))
    .map(({ description, hint, id, severity }) => [`\`${id}\``, severity, description, hint])
)}

## Limits

${table(
  ["limit", "value", "of", "SQLSTATE", "message"],
  Limits.all.map(({ message, name, of, sqlstate, unit, value }) => [
    `\`${name}\``,
    `${value.toLocaleString("en")} ${unit}`,
    of,
    sqlstate ?? "",
    message === undefined ? "" : `\`${message}\``
  ])
)}
`

describe("RULES.md", () => {
  it("lists the rules and limits as they are", () => expect(document).toMatchFileSnapshot("../RULES.md"))
})
