/**
 * What the linter says about a place in a file.
 *
 * @since 0.1.0
 * @stability stable
 */

/**
 * `error`: the service refuses it. `warning`: it runs and goes wrong under load or in time. `info`: worth knowing.
 *
 * @since 0.1.0
 * @category models
 */
export type Severity = "error" | "warning" | "info"

/**
 * One thing that the linter found. Lines and columns count from 1, columns in UTF-16 units; the end is exclusive.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finding {
  /** The rule's id, as a silencing comment names it. */
  readonly rule: string
  readonly severity: Severity
  readonly file: string
  readonly line: number
  readonly column: number
  readonly endLine: number
  readonly endColumn: number
  /** For an error, what the server answers; otherwise what happens. */
  readonly message: string
  /** How to write it instead. */
  readonly hint: string
  /** The SQLSTATE of the server's answer, where there is one. */
  readonly sqlstate?: string | undefined
}

/**
 * A rule of the linter, as data: what SARIF calls a reporting descriptor.
 *
 * @since 0.1.0
 * @category models
 */
export interface LintRule {
  readonly id: string
  readonly severity: Severity
  /** What it finds. */
  readonly description: string
  /** How to write it instead. */
  readonly hint: string
  readonly sqlstate?: string | undefined
  /** An address, or the name of a record. */
  readonly source: string
}
