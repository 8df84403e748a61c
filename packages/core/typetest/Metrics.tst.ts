import { Metrics } from "@effect-dsql/core"
import { describe, expect, it } from "tstyche"
import { update } from "../src/internal/metrics/labelled.ts"

describe("a metric", () => {
  it("moves with all of its labels", () => {
    expect(update).type.toBeCallableWith(Metrics.pool.closed, { pool: "orders", reason: "lost" }, 1)
  })

  it("does not move without one of them", () => {
    expect(update).type.not.toBeCallableWith(Metrics.pool.closed, { pool: "orders" }, 1)
  })

  it("does not move with a label of another one", () => {
    expect(update).type.not.toBeCallableWith(Metrics.pool.closed, { pool: "orders", cause: "lost" }, 1)
  })
})
