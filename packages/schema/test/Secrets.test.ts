/**
 * Passwords in statements: the server gets them, and nobody else does.
 */
import { Migrator } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Tracer } from "effect"
import { randomUUID } from "node:crypto"
import { execute, PlainMigrator, rows } from "./support/database.ts"
import { sourceOf } from "./support/schemas.ts"

const secret = "hunter2"

describe("a password in a statement", () => {
  it.live("is in no journal, history, plan, event, error, log or span", () =>
    Effect.gen(function* () {
      const role = `secret_${randomUUID().replaceAll("-", "")}`
      yield* Effect.addFinalizer(() => Effect.ignore(execute(`DROP ROLE ${role}`)))
      const said: Array<unknown> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          said.push(span.attributes)
          return span
        }
      })
      const logger = Logger.make(({ message }) => void said.push(message))
      yield* Effect.gen(function* () {
        const migrator = yield* Migrator.Migrator
        const onEvent = (event: unknown) => Effect.sync(() => void said.push(event))
        const source = yield* sourceOf(
          `CREATE ROLE ${role} /* not ${secret} */ LOGIN PASSWORD '${secret}';
           COMMENT ON ROLE ${role} IS 'its password is ${secret}';
           DO $$ BEGIN PERFORM 'the password is ${secret}'; END $$;`,
          `CREATE ROLE ${role} PASSWORD '${secret}';`
        )
        said.push(yield* migrator.plan({ source }))
        const error = yield* Effect.flip(migrator.setup({ source, onEvent }))
        assert.strictEqual(error._tag, "StatementRefused")
        said.push(String(error), error.message, JSON.stringify(error), error.cause)
        said.push(yield* migrator.history(), yield* rows("SELECT * FROM schema_journal"))
      }).pipe(Effect.withTracer(tracer), Effect.provide(Logger.layer([logger])))
      assert.deepStrictEqual(yield* rows(`SELECT rolcanlogin FROM pg_roles WHERE rolname = '${role}'`), [
        { rolcanlogin: true }
      ])
      const text = said.map((each) => JSON.stringify(each instanceof Map ? [...each] : each)).join("\n")
      assert.include(text, `CREATE ROLE ${role}`)
      assert.notInclude(text, secret)
    }).pipe(Effect.scoped, Effect.provide(PlainMigrator))
  )

  it.live("is not repeated where the database refuses it as a value of a row", () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const source = yield* sourceOf(
        `CREATE TABLE users (id INT PRIMARY KEY, password TEXT); INSERT INTO users VALUES ('${secret}', '${secret}');`
      )
      const { message } = yield* Effect.flip(migrator.setup({ source }))
      assert.include(message, 'INSERT INTO users: invalid input syntax for type integer: "***"')
      const [row] = yield* rows("SELECT statement, error FROM schema_journal WHERE error IS NOT NULL")
      assert.deepStrictEqual(row, {
        statement: "INSERT INTO users",
        error: 'invalid input syntax for type integer: "***"'
      })
    }).pipe(Effect.provide(PlainMigrator))
  )

  it.live("does not tell its checksum from another one's", () =>
    Effect.gen(function* () {
      const checksum = (text: string) =>
        Effect.map(sourceOf(text), ({ versions: [{ statements }] }) => statements[0]?.checksum)
      const one = yield* checksum(`CREATE ROLE r PASSWORD '${secret}'`)
      assert.strictEqual(yield* checksum("CREATE ROLE r PASSWORD 'hunter3'"), one)
      assert.notStrictEqual(yield* checksum("CREATE ROLE s PASSWORD 'hunter3'"), one)
    })
  )
})
