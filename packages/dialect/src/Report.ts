/**
 * Findings for people, for programs, and for code scanning services.
 *
 * @since 0.1.0
 * @stability stable
 */
import type { Log, ReportingDescriptor, Result } from "sarif"
import type { Finding, LintRule, Severity } from "./Finding.ts"
import * as Linter from "./Linter.ts"

/**
 * How many files were linted, and how many findings there are of each severity.
 *
 * @since 0.1.0
 * @category models
 */
export interface Summary {
  readonly files: number
  readonly errors: number
  readonly warnings: number
  readonly infos: number
}

/**
 * Counts findings; `files` is how many files were linted, those without findings included.
 *
 * @since 0.1.0
 * @category constructors
 */
export const summary = (findings: ReadonlyArray<Finding>, files: number): Summary => {
  const of = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length
  return { files, errors: of("error"), warnings: of("warning"), infos: of("info") }
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

/**
 * Marks a severity, for a terminal that has colours: gives the text, which is the severity's name, with what colours it.
 *
 * @since 0.1.0
 * @category models
 */
export type Paint = (severity: Severity, text: string) => string

const line = (finding: Finding, paint: Paint): string => {
  const code = finding.sqlstate === undefined ? "" : ` (${finding.sqlstate})`
  const place = `${finding.file}:${finding.line}:${finding.column}`
  return `${place}: ${paint(finding.severity, finding.severity)}: ${finding.message}${code} [${finding.rule}]\n    ${finding.hint}`
}

/**
 * Lines for people, as compilers write them: `file:line:column: severity: message (sqlstate) [rule]`, the hint below,
 * and the counts at the end.
 *
 * @since 0.1.0
 * @category rendering
 */
export const text = (
  findings: ReadonlyArray<Finding>,
  files: number,
  paint: Paint = (_, severity) => severity
): string => {
  const { errors, infos, warnings } = summary(findings, files)
  const counts = [counted(errors, "error"), counted(warnings, "warning"), ...(infos > 0 ? [`${infos} info`] : [])]
  return [...findings.map((finding) => line(finding, paint)), `${counts.join(", ")} in ${counted(files, "file")}`].join(
    "\n"
  )
}

/**
 * JSON for programs: `{ "version": 1, "summary": Summary, "findings": Finding[] }`. A field is only ever added within
 * version 1.
 *
 * @since 0.1.0
 * @category rendering
 */
export const json = (findings: ReadonlyArray<Finding>, files: number): string =>
  JSON.stringify({ version: 1, summary: summary(findings, files), findings }, undefined, 2)

const levels = { error: "error", warning: "warning", info: "note" } as const

const descriptor = ({ description, hint, id, severity, source }: LintRule): ReportingDescriptor => ({
  id,
  shortDescription: { text: description },
  help: { text: hint },
  ...(source.startsWith("https://") ? { helpUri: source.split(",")[0] ?? source } : {}),
  defaultConfiguration: { level: levels[severity] }
})

// SARIF takes a relative address where the file is in the repository; characters that no address has are escaped.
const address = (file: string): string => file.replaceAll("\\", "/").split("/").map(encodeURIComponent).join("/")

const result = (finding: Finding): Result => ({
  ruleId: finding.rule,
  ruleIndex: Linter.rules.findIndex(({ id }) => id === finding.rule),
  level: levels[finding.severity],
  message: { text: `${finding.message}\n${finding.hint}` },
  locations: [
    {
      physicalLocation: {
        artifactLocation: { uri: address(finding.file) },
        region: {
          startLine: finding.line,
          startColumn: finding.column,
          endLine: finding.endLine,
          endColumn: finding.endColumn
        }
      }
    }
  ]
})

/**
 * SARIF 2.1.0, as code scanning services read it: every rule described, columns in UTF-16 units.
 *
 * @since 0.1.0
 * @category rendering
 */
export const sarif = (findings: ReadonlyArray<Finding>): string => {
  const log: Log = {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "effect-dsql", rules: Linter.rules.map(descriptor) } },
        columnKind: "utf16CodeUnits",
        results: findings.map(result)
      }
    ]
  }
  return JSON.stringify(log, undefined, 2)
}
