import { DsqlClient, Transaction } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Option, Ref, type Scope } from "effect"
import { database } from "../../../test/database.ts"
import * as Proxy from "../../../test/proxy.ts"
import { Quiet } from "../../../test/quiet.ts"
import { failCommits, schema, terminate, write, written } from "./support/faults.ts"

/** Runs a test on two clients: one through a proxy that can cut, and one that sees what became of it. */
const cutting = <A, E>(test: (proxy: Proxy.Proxy) => Effect.Effect<A, E, DsqlClient.DsqlClient | Scope.Scope>) =>
  Effect.gen(function* () {
    const url = yield* database
    const proxy = yield* Proxy.make(url)
    const witness = yield* Layer.build(Layer.provideMerge(schema, DsqlClient.layerUrl({ url })))
    const observed = <B, F, R>(effect: Effect.Effect<B, F, R>) => Effect.provide(effect, witness)
    return yield* Effect.provide(test(proxy), DsqlClient.layerUrl({ url: proxy.url })).pipe(
      Effect.map((value) => ({ value, observed }))
    )
  })

/** A write whose COMMIT is cut as told. */
const cutAtCommit = (proxy: Proxy.Proxy, value: string, where: Proxy.Cut) =>
  Effect.andThen(write(value), proxy.cut(where))

const lookFor = (value: string) => () =>
  Effect.flatMap(Transaction.sql, (sql) =>
    Effect.map(sql`SELECT 1 FROM effects WHERE value = ${value} FOR UPDATE`, (rows) =>
      rows.length === 1 ? Transaction.committed("found") : Transaction.notCommitted
    )
  )

describe("a connection that is lost", () => {
  it.live("in the body is a typed error, and nothing was committed", () =>
    Effect.gen(function* () {
      const { observed, value: failure } = yield* cutting(() =>
        Effect.flip(Transaction.run(Effect.andThen(write("body"), terminate)))
      )
      assert.include(failure, { _tag: "ConnectionLost", phase: "statement" } as const)
      assert.strictEqual(yield* observed(written("body")), 0)
    })
  )

  it.live("is replaced for the next transaction", () =>
    Effect.gen(function* () {
      const { observed } = yield* cutting(() =>
        Effect.gen(function* () {
          yield* Effect.flip(Transaction.run(terminate))
          yield* Transaction.run(write("replaced"))
        })
      )
      assert.strictEqual(yield* observed(written("replaced")), 1)
    })
  )

  it.live("at COMMIT, before the server saw it, leaves the outcome unknown", () =>
    Effect.gen(function* () {
      const { observed, value: failure } = yield* cutting((proxy) =>
        Effect.flip(Transaction.run(cutAtCommit(proxy, "before", "request")))
      )
      assert.strictEqual(failure._tag, "CommitOutcomeUnknown")
      assert.strictEqual(yield* observed(written("before")), 0)
    })
  )

  it.live("at COMMIT, after it took effect, leaves the outcome unknown and is not retried", () =>
    Effect.gen(function* () {
      const { observed, value } = yield* cutting((proxy) =>
        Effect.gen(function* () {
          const attempts = yield* Ref.make(0)
          const body = Effect.andThen(
            Ref.update(attempts, (n) => n + 1),
            cutAtCommit(proxy, "after", "answer")
          )
          const failure = yield* Effect.flip(Transaction.run(body))
          return { failure, attempts: yield* Ref.get(attempts) }
        })
      )
      assert.strictEqual(value.failure._tag, "CommitOutcomeUnknown")
      assert.strictEqual(value.attempts, 1)
      assert.strictEqual(yield* observed(written("after")), 1)
    })
  )

  it.live("under a statement that commits by itself leaves the outcome unknown", () =>
    Effect.gen(function* () {
      const { observed, value: failure } = yield* cutting((proxy) =>
        Effect.gen(function* () {
          yield* Transaction.autocommit(write("warm"))
          yield* proxy.cut("answer")
          return yield* Effect.flip(Transaction.autocommit(write("alone")))
        })
      )
      assert.strictEqual(failure._tag, "CommitOutcomeUnknown")
      assert.strictEqual(yield* observed(written("alone")), 1)
    })
  )

  type Making = (body: ReturnType<typeof write>) => Effect.Effect<unknown, "mine", Transaction.Transaction>
  for (const [made, of] of Object.entries<Making>({
    "an error of its own": (body) => Effect.mapError(body, () => "mine" as const),
    "a defect": (body) => Effect.orDie(body),
    "a success": (body) => Effect.ignore(body),
    "a fallback, defects included": (body) => Effect.catchCause(body, () => Effect.void)
  })) {
    it.live(`under a statement that commits by itself is remembered where the body makes of it ${made}`, () =>
      Effect.gen(function* () {
        const { observed, value: failure } = yield* cutting((proxy) =>
          Effect.gen(function* () {
            yield* Transaction.autocommit(write("warm"))
            yield* proxy.cut("answer")
            const failure = yield* Effect.flip(Transaction.autocommit(Effect.asVoid(of(write("unknown")))))
            yield* proxy.cut("request")
            yield* Transaction.autocommit(Effect.asVoid(of(write("repeated"))), { repeat: true })
            return failure
          })
        )
        assert.propertyVal(failure, "_tag", "CommitOutcomeUnknown")
        assert.strictEqual(yield* observed(written("unknown")), 1)
        assert.strictEqual(yield* observed(written("repeated")), 1)
      })
    )
  }

  it.live("under rows that cannot be read, where COMMIT was sent behind them, leaves the outcome unknown", () =>
    Effect.gen(function* () {
      const { value: failure } = yield* cutting(() =>
        Effect.flip(
          Transaction.batch((sql) => [
            sql`INSERT INTO effects (value) VALUES ('unread')`,
            sql`SELECT '(1,2)'::point AS unread`
          ])
        )
      )
      // The server may have come to COMMIT, or not yet.
      assert.strictEqual(failure._tag, "CommitOutcomeUnknown")
    })
  )

  it.live("under a read-only statement is only lost", () =>
    Effect.gen(function* () {
      const { value: failure } = yield* cutting((proxy) =>
        Effect.gen(function* () {
          const read = Effect.flatMap(Transaction.sql, (sql) => sql`SELECT 1`)
          yield* Transaction.autocommit(read, { readOnly: true })
          yield* proxy.cut("answer")
          return yield* Effect.flip(Transaction.autocommit(read, { readOnly: true }))
        })
      )
      assert.include(failure, { _tag: "ConnectionLost", phase: "statement" } as const)
    })
  )

  it.live("at COMMIT is unknown when the server says XX000", () =>
    Effect.gen(function* () {
      const { value: failure } = yield* cutting(() =>
        Effect.gen(function* () {
          yield* failCommits("unavailable", 1, "XX000|server unavailable")
          return yield* Effect.flip(Transaction.run(write("unavailable")))
        })
      )
      assert.strictEqual(failure._tag, "CommitOutcomeUnknown")
    })
  )

  it.live("at COMMIT is unknown whatever the message of the server says besides", () =>
    Effect.gen(function* () {
      const { value: tags } = yield* cutting(() =>
        Effect.forEach(
          ["XX000|access denied", "57P01|access denied to whom it may concern", "08006|access denied", "40003|lost"],
          (action, index) =>
            Effect.gen(function* () {
              yield* failCommits(`said${index}`, 1, action)
              return (yield* Effect.flip(Transaction.run(write(`said${index}`))))._tag
            })
        )
      )
      assert.deepStrictEqual(new Set(tags), new Set(["CommitOutcomeUnknown"]))
    })
  )

  it.live(
    "at COMMIT is unknown when the server says that it failed itself, and not what is wrong with the transaction",
    () =>
      Effect.gen(function* () {
        const codes = ["28000", "53100", "53300", "53400", "57014", "58000", "58030", "XX002"]
        const refusals = ["22012", "23514", "25006", "42501", "53200", "54000"]
        const { observed, value: tags } = yield* cutting(() =>
          Effect.forEach(codes.concat(refusals), (code) =>
            Effect.gen(function* () {
              yield* failCommits(`failed${code}`, 1, `${code}|no`)
              const { _tag } = yield* Effect.flip(Transaction.run(write(`failed${code}`)))
              return [code, _tag === "CommitOutcomeUnknown"] as const
            })
          )
        )
        const isUnknown = (code: string) => codes.includes(code)
        assert.deepStrictEqual(
          tags,
          codes.concat(refusals).map((code) => [code, isUnknown(code)] as const)
        )
        assert.strictEqual(yield* observed(written("failed58030")), 0)
      })
  )

  it.live("at the COMMIT of a transaction that only reads leaves nothing open", () =>
    Effect.gen(function* () {
      const { value: failure } = yield* cutting((proxy) =>
        Effect.gen(function* () {
          const read = Effect.flatMap(Transaction.sql, (sql) => sql`SELECT 1`)
          return yield* Effect.flip(Transaction.run(Effect.andThen(read, proxy.cut("answer")), { readOnly: true }))
        })
      )
      assert.include(failure, { _tag: "ConnectionLost", phase: "statement" } as const)
    })
  )

  it.live("surfaces through the client's own withTransaction as an error that is not retryable", () =>
    Effect.gen(function* () {
      const { value: failure } = yield* cutting((proxy) =>
        Effect.gen(function* () {
          const { sql } = yield* DsqlClient.DsqlClient
          return yield* Effect.flip(
            sql.withTransaction(Effect.andThen(sql`INSERT INTO effects (value) VALUES ('plain')`, proxy.cut("answer")))
          )
        })
      )
      assert.strictEqual(failure._tag, "SqlError")
      assert.isFalse(failure.isRetryable)
    })
  )
})

describe("verify", () => {
  it.live("turns an unknown outcome into the result when the write is there", () =>
    Effect.gen(function* () {
      const { observed, value } = yield* cutting((proxy) =>
        Transaction.run(Effect.as(cutAtCommit(proxy, "there", "answer"), "returned"), { verify: lookFor("there") })
      )
      assert.strictEqual(value, "found")
      assert.strictEqual(yield* observed(written("there")), 1)
    })
  )

  it.live("is given what the body returned", () =>
    Effect.gen(function* () {
      const { value } = yield* cutting((proxy) =>
        Transaction.run(Effect.as(cutAtCommit(proxy, "given", "answer"), 42), {
          verify: (returned) =>
            Effect.succeed(Option.isSome(returned) ? Transaction.committed(returned.value) : Transaction.unknown)
        })
      )
      assert.strictEqual(value, 42)
    })
  )

  it.live("says that nothing was committed when the write is not there", () =>
    Effect.gen(function* () {
      const { observed, value: failure } = yield* cutting((proxy) =>
        Effect.flip(
          Transaction.run(Effect.as(cutAtCommit(proxy, "absent", "request"), "returned"), {
            operation: "Write",
            verify: lookFor("absent")
          })
        )
      )
      assert.strictEqual(failure._tag, "ConnectionLost")
      assert.strictEqual(failure.message, "Write: the connection was lost at COMMIT, and nothing was committed")
      assert.strictEqual(yield* observed(written("absent")), 0)
    })
  )

  it.live("leaves the outcome unknown when it cannot tell", () =>
    Effect.gen(function* () {
      const { value: failure } = yield* cutting((proxy) =>
        Effect.flip(
          Transaction.run(cutAtCommit(proxy, "unsure", "answer"), { verify: () => Effect.succeed(Transaction.unknown) })
        )
      )
      assert.strictEqual(failure._tag, "CommitOutcomeUnknown")
    })
  )

  it.live("leaves the outcome unknown when it fails itself", () =>
    Effect.gen(function* () {
      const { value: failure } = yield* cutting((proxy) =>
        Effect.flip(Transaction.run(cutAtCommit(proxy, "failing", "answer"), { verify: () => Effect.fail("no idea") }))
      )
      assert.strictEqual(failure._tag, "CommitOutcomeUnknown")
    }).pipe(Effect.provide(Quiet))
  )

  it.live("is tried again when its own connection is lost too", () =>
    Effect.gen(function* () {
      const { value } = yield* cutting((proxy) =>
        Effect.gen(function* () {
          const tries = yield* Ref.make(0)
          const verify = () =>
            Effect.gen(function* () {
              const sql = yield* Transaction.sql
              if ((yield* Ref.updateAndGet(tries, (n) => n + 1)) === 1) yield* proxy.cut("answer")
              const rows = yield* sql`SELECT 1 FROM effects WHERE value = 'again' FOR UPDATE`
              return rows.length === 1 ? Transaction.committed("found") : Transaction.notCommitted
            })
          const value = yield* Transaction.run(Effect.as(cutAtCommit(proxy, "again", "answer"), "returned"), { verify })
          return { value, tries: yield* Ref.get(tries) }
        })
      )
      assert.deepStrictEqual(value, { value: "found", tries: 2 })
    })
  )

  it.live("is tried again when the answer to its own COMMIT is lost", () =>
    Effect.gen(function* () {
      const { value } = yield* cutting((proxy) =>
        Effect.gen(function* () {
          const tries = yield* Ref.make(0)
          const verify = () =>
            Effect.gen(function* () {
              const outcome = yield* lookFor("twice")()
              if ((yield* Ref.updateAndGet(tries, (n) => n + 1)) === 1) yield* proxy.cut("answer")
              return outcome
            })
          const value = yield* Transaction.run(Effect.as(cutAtCommit(proxy, "twice", "answer"), "returned"), { verify })
          return { value, tries: yield* Ref.get(tries) }
        })
      )
      assert.deepStrictEqual(value, { value: "found", tries: 2 })
    })
  )

  it.live("is not asked when the outcome is known", () =>
    Effect.gen(function* () {
      const { value } = yield* cutting(() =>
        Effect.exit(Transaction.run(write("known"), { verify: () => Effect.die("asked") }))
      )
      assert(Exit.isSuccess(value))
    })
  )

  it.live("finds a statement that commits by itself", () =>
    Effect.gen(function* () {
      const { value } = yield* cutting((proxy) =>
        Effect.gen(function* () {
          yield* Transaction.autocommit(write("first"))
          yield* proxy.cut("answer")
          return yield* Transaction.autocommit(Effect.as(write("settled"), "returned"), { verify: lookFor("settled") })
        })
      )
      assert.strictEqual(value, "found")
    })
  )
})
