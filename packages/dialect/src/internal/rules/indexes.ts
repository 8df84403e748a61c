/**
 * What DSQL refuses in CREATE INDEX, in the order in which a cluster was seen to check: CONCURRENTLY, USING, the number
 * of keys, the mode, the predicate, the keys.
 */
import type { Node } from "libpg-query"
import * as Engine from "../engine.ts"
import * as Tokens from "../tokens.ts"
import * as ParseTree from "../../ParseTree.ts"
import type { Definition } from "./definition.ts"
import { define, documented, foundIf, inferred, measured, page, recorded } from "./definition.ts"

const keys = (nodes: ReadonlyArray<Node> | undefined) => ParseTree.all(nodes, "IndexElem")

export const indexes: ReadonlyArray<Definition> = [
  define({
    id: "index-concurrently",
    construct: "CREATE INDEX CONCURRENTLY",
    message: "CONCURRENTLY not supported for CREATE INDEX",
    hint: "CREATE INDEX ASYNC, and wait for the job that it returns.",
    ...measured,
    when: { IndexStmt: ({ concurrent }) => foundIf(concurrent) }
  }),
  define({
    id: "index-using",
    construct: "CREATE INDEX ... USING",
    message: "USING not supported for CREATE INDEX",
    hint: "Leave USING out: every index is a B-tree.",
    ...measured,
    when: {
      // The tree says btree whether or not the statement does; USING is a reserved word, so a token of it is it.
      IndexStmt: ({ accessMethod, relation }, { text }) =>
        foundIf(
          accessMethod !== "btree" ||
            (Tokens.mentions(text, "USING") && Tokens.outerWord(Engine.tokensOf(text) ?? [], "USING") !== -1),
          relation?.location
        )
    }
  }),
  define({
    id: "index-columns",
    construct: "CREATE INDEX with more than eight keys",
    sqlstate: "54011",
    message: "more than 8 column keys in an index are not supported",
    hint: "Index at most eight columns; others can go into INCLUDE.",
    ...documented(page.quotas),
    when: { IndexStmt: ({ indexParams, relation }) => foundIf((indexParams ?? []).length > 8, relation?.location) }
  }),
  define({
    id: "index-async",
    construct: "CREATE INDEX without ASYNC",
    message: "unsupported mode. please use CREATE INDEX ASYNC.",
    hint: "CREATE INDEX ASYNC, and wait for the job that it returns.",
    ...recorded,
    when: { IndexStmt: (_, { async }) => foundIf(!async) }
  }),
  define({
    id: "partial-index",
    construct: "CREATE INDEX ... WHERE",
    message: "WHERE not supported for CREATE INDEX",
    hint: "Index all rows on this service date.",
    ...inferred(page.releases),
    until: "2026-09-15",
    when: { IndexStmt: ({ relation, whereClause }) => foundIf(whereClause !== undefined, relation?.location) }
  }),
  define({
    id: "expression-index",
    construct: "CREATE INDEX on an expression",
    message: "expressions not supported for index keys",
    hint: "Store the expression in a column and index that on this service date.",
    ...inferred(page.releases),
    until: "2026-08-13",
    when: {
      IndexStmt: ({ indexParams, relation }) =>
        foundIf(
          keys(indexParams).some(({ expr }) => expr !== undefined),
          relation?.location
        )
    }
  }),
  define({
    id: "index-sort-order",
    construct: "CREATE INDEX with ASC or DESC",
    message: "specifying sort order not supported for index keys",
    hint: "Leave ASC and DESC out; NULLS FIRST and NULLS LAST are accepted, and an index is read backwards as well.",
    ...measured,
    when: {
      IndexStmt: ({ indexParams, relation }) =>
        foundIf(
          keys(indexParams).some(({ ordering }) => ordering === "SORTBY_ASC" || ordering === "SORTBY_DESC"),
          relation?.location
        )
    }
  }),
  define({
    id: "index-opclass",
    construct: "CREATE INDEX with an operator class",
    message: "opclass not supported for index keys",
    hint: "Leave the operator class out.",
    ...measured,
    when: {
      IndexStmt: ({ indexParams, relation }) =>
        foundIf(
          keys(indexParams).some(({ opclass }) => opclass !== undefined),
          relation?.location
        )
    }
  })
]
