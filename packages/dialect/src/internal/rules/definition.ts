/**
 * How a rule is written down: the rule itself, and for each node that it looks at a function that finds it.
 */
import type { Rule } from "../../Rule.ts"
import type { Place } from "../../Source.ts"
import type { Statement } from "../../Statement.ts"
import type { Fields, Tag } from "../../ParseTree.ts"

/** A found construct: where (a `location` of the tree) and what stands for the braces of the message. */
export interface Match {
  readonly location?: number | undefined
  /** Where it is no node of the tree. */
  readonly place?: Place | undefined
  readonly with?: Readonly<Record<string, string>> | undefined
}

/** Finds a rule's constructs in a node. */
export type Finder<T extends Tag> = (node: Fields<T>, statement: Statement) => ReadonlyArray<Match>

/** A rule and its finders, by the name of the node. */
export interface Definition extends Rule {
  readonly when: { readonly [T in Tag]?: Finder<T> }
}

/** What is written of a definition: the SQLSTATE only where it is not 0A000, feature not supported. */
type Written = Omit<Definition, "sqlstate"> & { readonly sqlstate?: string }

/** Completes a definition. */
export const define = (written: Written): Definition => ({ sqlstate: "0A000", ...written })

/** A construct that is there. */
export const found = (location?: number, words?: Match["with"]): ReadonlyArray<Match> => [{ location, with: words }]

/** A construct that is there under a condition. */
export const foundIf = (
  condition: boolean | undefined,
  location?: number,
  words?: Match["with"]
): ReadonlyArray<Match> => (condition === true ? found(location, words) : [])

/** Statements that DSQL answers with `unsupported statement:` and the name of the node. */
export const statement = <T extends Tag>(
  tag: T,
  written: Omit<Written, "when" | "message"> & { readonly when?: Finder<T> }
): Definition =>
  define({
    ...written,
    message: `unsupported statement: ${tag.replace(/Stmt$/, "")}`,
    // One tag and its own finder; TypeScript cannot relate a computed key to the mapped type.
    when: { [tag]: written.when ?? (() => found()) } as Definition["when"]
  })

/** Where a rule is known from. */
export const recorded = {
  evidence: "recorded",
  source: "https://github.com/Dreamescaper/dsql-emulator, answers of a cluster recorded until 2026-09-18"
} as const

/** Known from the documentation of AWS: a page of the user guide. */
export const documented = (page: string) =>
  ({ evidence: "documented", source: `https://docs.aws.amazon.com/aurora-dsql/latest/userguide/${page}.html` }) as const

/** Known from others who met it on a cluster, with the text that they give. */
export const reported = (source: string) => ({ evidence: "documented", source }) as const

/** Measured on clusters from 2026-08-18 to 2026-10-04 by the authors of another local double. */
export const measured = reported("https://github.com/ministackorg/ministack, ministack/core/pgproxy.py")

/** Recorded on a cluster on 2026-10-10 by the authors of a tool for schemas. */
export const observed = {
  evidence: "recorded",
  source: "https://github.com/winebarrel/pistachio/blob/HEAD/DSQL.md, a cluster's answers on 2026-07-23 and 2026-10-10"
} as const

/** Measured on a cluster on 2026-10-01 for AWS's own skill. */
export const measuredLimit = {
  evidence: "recorded",
  source: "https://github.com/awslabs/agent-plugins, skills/dsql/references/limits-and-error-codes.md, 2026-10-01"
} as const

/** Refused by AWS's own linter, whose tests run on a cluster, or absent from the grammar beside it; the text is by analogy. */
export const linted = {
  evidence: "inferred",
  source:
    "https://github.com/awslabs/aurora-dsql-tools, dsql-lint/tests/common/mod.rs and grammar/dsql_grammar.json, 2026-08-07"
} as const

/** Not among what a page of the user guide lists as supported; the answer's text is by analogy. */
export const inferred = (page: string) =>
  ({ evidence: "inferred", source: `https://docs.aws.amazon.com/aurora-dsql/latest/userguide/${page}.html` }) as const

/** Nobody recorded or documented what a cluster does: refused, so that nobody relies on a guess. */
export const unknown = {
  evidence: "unknown",
  source: "effect-dsql: `effect-dsql probe` asks a cluster"
} as const

/** The pages of the user guide that the rules cite. */
export const page = {
  alter: "alter-table-syntax-support",
  concurrency: "working-with-concurrency-control",
  ddl: "working-with-ddl",
  plpgsql: "working-with-plpgsql",
  foreignKeys: "working-with-foreign-key-constraints",
  index: "create-index-syntax-support",
  quotas: "CHAP_quotas",
  releases: "release-notes",
  sequences: "sequences-identity-columns",
  subset: "working-with-postgresql-compatibility-supported-sql-subsets"
} as const
