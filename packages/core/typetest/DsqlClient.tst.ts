import { DsqlClient, DsqlError, Transaction } from "@effect-dsql/core"
import { Config, type Duration, Effect, type Layer, type Redacted } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { describe, expect, it } from "tstyche"

declare const url: Config.Config<Redacted.Redacted>
declare const life: Config.Config<Duration.Duration>
declare const failing: SqlError.SqlError

describe("DsqlClient.layerConfig", () => {
  it("takes every option as a Config, of a cluster or of a URL", () => {
    expect(DsqlClient.layerConfig).type.toBeCallableWith()
    expect(DsqlClient.layerConfig).type.toBeCallableWith(Config.nested(DsqlClient.environment, "ORDERS"))
    expect(DsqlClient.layerConfig).type.toBeCallableWith({ endpoint: Config.String("HOST"), connectionLife: life })
    expect(DsqlClient.layerConfig).type.toBeCallableWith({ url, nested: Config.succeed("join" as const) })
  })

  it("takes no option that is a plain value, and none that is of another type", () => {
    expect(DsqlClient.layerConfig).type.not.toBeCallableWith({ endpoint: "abc.dsql.us-east-1.on.aws" })
    expect(DsqlClient.layerConfig).type.not.toBeCallableWith({ url, maxConnections: Config.String("MAX") })
  })

  it("does not go without a place", () => {
    expect(DsqlClient.layerConfig).type.not.toBeCallableWith({ maxConnections: Config.Int("MAX") })
  })
})

describe("DsqlClient.layerFrom", () => {
  it("closes what was made with the layer, and leaves other requirements", () => {
    expect(DsqlClient.layerFrom(DsqlClient.make({ endpoint: "abc.dsql.us-east-1.on.aws" }))).type.toBe<
      Layer.Layer<DsqlClient.Provided, DsqlError.DsqlError>
    >()
  })
})

describe("the options of the SQL clients", () => {
  it("name what becomes of a nested transaction", () => {
    expect(DsqlClient.layer).type.toBeCallableWith({ endpoint: "abc", nested: "join" })
    expect(DsqlClient.layer).type.not.toBeCallableWith({ endpoint: "abc", nested: "savepoint" })
  })
})

describe("DsqlError.from", () => {
  it("gives every error but one that no statement ends with", () => {
    expect(DsqlError.from(failing)).type.toBe<Exclude<DsqlError.DsqlError, DsqlError.ConditionFailed>>()
  })
})

describe("a tool that takes the SqlClient", () => {
  it("fits into a transaction", () => {
    const tool = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`)
    expect(Transaction.run).type.toBeCallableWith(tool)
    expect(Transaction.autocommit).type.toBeCallableWith(tool)
  })
})
