import { ParseTree, Statement } from "@effect-dsql/dialect"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const tree = (sql: string) =>
  Effect.map(Statement.parse(sql), ([statement]) => {
    assert(statement !== undefined)
    return statement.node
  })

const tags = (node: ParseTree.Node) => {
  const found: Array<string> = []
  ParseTree.each(node, (tag) => found.push(tag))
  return found
}

describe("ParseTree", () => {
  it.effect("each visits parents first and siblings in the order of the text", () =>
    Effect.map(tree("INSERT INTO t (a) VALUES ($1)"), (node) =>
      assert.deepStrictEqual(tags(node), ["InsertStmt", "RangeVar", "ResTarget", "SelectStmt", "List", "ParamRef"])
    )
  )

  const within: Readonly<Record<string, readonly [sql: string, tag: ParseTree.Tag]>> = {
    "a branch of a UNION": ["SELECT 1 UNION SELECT f()", "FuncCall"],
    "a query in WITH": ["WITH a AS (DELETE FROM t RETURNING id) SELECT * FROM a", "DeleteStmt"],
    "the target of a conflict": ["INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING", "InferClause"],
    "the call of a procedure": ["CALL p(1)", "FuncCall"],
    "the table of a view": ["CREATE VIEW v AS SELECT 1", "RangeVar"],
    "the sequence of CREATE SEQUENCE": ["CREATE SEQUENCE s", "RangeVar"],
    "the owner of a schema": ["CREATE SCHEMA s AUTHORIZATION r", "RoleSpec"],
    "the text of a constant": ["SELECT 'a'", "String"],
    "a partition that is attached": ["ALTER TABLE t ATTACH PARTITION p DEFAULT", "RangeVar"],
    "the operator of an operator class": [
      "CREATE OPERATOR CLASS c FOR TYPE int USING btree AS OPERATOR 1 <",
      "ObjectWithArgs"
    ]
  }
  for (const [what, [sql, tag]] of Object.entries(within)) {
    it.effect(`each finds ${what}, which the tree holds without its tag or deep inside`, () =>
      Effect.map(tree(sql), (node) => assert.include(tags(node), tag))
    )
  }

  it.effect("walk reads a chain of ten thousand operators without overflowing the stack", () =>
    Effect.gen(function* () {
      const node = yield* tree(`SELECT ${Array.from({ length: 3_000 }, () => "1").join(" + ")}`)
      let constants = 0
      ParseTree.walk(node, { A_Const: () => constants++ })
      assert.strictEqual(constants, 3_000)
    })
  )

  it.effect("as gives the fields of a node of that kind and of no other", () =>
    Effect.map(tree("DROP TABLE s.t"), (node) => {
      const objects = ParseTree.as(node, "DropStmt")?.objects
      assert.deepStrictEqual(ParseTree.names(ParseTree.as(objects?.[0], "List")?.items), ["s", "t"])
      assert.isUndefined(ParseTree.as(node, "CreateStmt"))
    })
  )

  it.effect("all leaves out nodes of other kinds", () =>
    Effect.map(tree("CREATE TABLE t (a int, CHECK (a > 0), b int)"), (node) => {
      const columns = ParseTree.all(ParseTree.as(node, "CreateStmt")?.tableElts, "ColumnDef")
      assert.deepStrictEqual(
        columns.map(({ colname }) => colname),
        ["a", "b"]
      )
    })
  )

  it.effect("text tells an empty text from a constant that is none", () =>
    Effect.gen(function* () {
      const argument = (node: ParseTree.Node) => ParseTree.as(node, "CallStmt")?.funccall?.args?.[0]
      assert.strictEqual(ParseTree.text(argument(yield* tree("CALL p('a')"))), "a")
      assert.strictEqual(ParseTree.text(argument(yield* tree("CALL p('')"))), "")
      assert.isUndefined(ParseTree.text(argument(yield* tree("CALL p(1)"))))
    })
  )

  it.effect("isOff takes an option without a value for a yes", () =>
    Effect.gen(function* () {
      const analyze = (node: ParseTree.Node) =>
        ParseTree.option(ParseTree.as(node, "ExplainStmt")?.options, "analyze")?.arg
      for (const off of ["false", "off", "0"]) {
        assert.isTrue(ParseTree.isOff(analyze(yield* tree(`EXPLAIN (analyze ${off}) SELECT 1`))), off)
      }
      assert.isFalse(ParseTree.isOff(analyze(yield* tree("EXPLAIN (analyze) SELECT 1"))))
    })
  )

  it("isNode knows a node from fields, lists and texts", () => {
    assert.isTrue(ParseTree.isNode({ String: { sval: "a" } }))
    for (const other of [{ sval: "a" }, [{ String: {} }], "String", null, {}]) assert.isFalse(ParseTree.isNode(other))
  })
})
