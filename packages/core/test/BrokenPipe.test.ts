import { DsqlError } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { classify, orUnknown } from "../src/internal/errors/classify.ts"

/** As Node makes it where the other side has gone: with a code of five letters, as SQLSTATEs have. */
const broken = () => {
  const cause = Object.assign(new Error("write EPIPE"), { code: "EPIPE", errno: -32, syscall: "write" })
  return new SqlError({ reason: new ConnectionError({ cause, operation: "execute" }) })
}

describe("a pipe that breaks", () => {
  it("while a statement is sent is a lost connection", () => {
    assert.instanceOf(classify(broken()), DsqlError.ConnectionLost)
  })

  it("while COMMIT is sent leaves its outcome unknown", () => {
    assert.instanceOf(orUnknown(broken()).reason.cause, DsqlError.CommitOutcomeUnknown)
  })
})
