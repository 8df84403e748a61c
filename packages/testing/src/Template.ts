/**
 * Databases that have been migrated once, to be copied: one for each choice of schemas, none
 * at all among them, known by what their statements are, made by whoever needs it first.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as DsqlClient from "@effect-dsql/core/DsqlClient"
import type { DsqlError } from "@effect-dsql/core/DsqlError"
import * as Emulator from "@effect-dsql/emulator/Emulator"
import type { Postgres, PostgresError } from "@effect-dsql/emulator/Postgres"
import * as Migrator from "@effect-dsql/schema/Migrator"
import type { MigrationError } from "@effect-dsql/schema/MigrationError"
import type { SchemaSource } from "@effect-dsql/schema/SchemaSource"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Reactivity from "effect/reactivity/Reactivity"
import type { SqlError } from "effect/sql/SqlError"
import { createHash } from "node:crypto"

/**
 * The name of the database that some schemas are copied from.
 *
 * @since 0.1.0
 * @category accessors
 */
export const nameOf = (sources: ReadonlyArray<SchemaSource>): string => {
  const hash = createHash("sha256")
  for (const { statements, version } of sources.flatMap(({ versions }) => versions)) {
    hash.update(`${version}\n`)
    for (const { checksum } of statements) hash.update(`${checksum}\n`)
  }
  return `template_${hash.digest("hex").slice(0, 32)}`
}

/**
 * Makes the template of some schemas unless it is there, and gives its name.
 * Others that want the same one wait for it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  server: Postgres,
  sources: ReadonlyArray<SchemaSource>
): Effect.Effect<string, SqlError | Emulator.EmulatorError | MigrationError | DsqlError | PostgresError> =>
  Effect.gen(function* () {
    const name = nameOf(sources)
    const place = Redacted.value(server.url(name))
    if (!known.has(place)) yield* ensured(server, name, sources)
    known.add(place)
    return name
  })

/** Templates, by their URLs, that this process knows to be there: what is one stays one. */
const known = new Set<string>()

const ensured = (server: Postgres, name: string, sources: ReadonlyArray<SchemaSource>) =>
  Effect.gen(function* () {
    const sql = yield* Effect.provide(PgClient.makeClient({ url: server.url() }), Reactivity.layer)
    const look = sql<{ datistemplate: boolean }>`SELECT datistemplate FROM pg_database WHERE datname = ${name}`
    const [made] = yield* look
    if (made?.datistemplate === true) return
    yield* Effect.acquireRelease(sql`SELECT pg_advisory_lock(hashtext(${name}))`, () =>
      Effect.orDie(sql`SELECT pg_advisory_unlock(hashtext(${name}))`)
    )
    const [found] = yield* look
    if (found?.datistemplate === true) return
    // One of its own, for which nobody waits and at which nobody looks.
    const emulator = yield* Emulator.make({ postgres: server, jobDelay: 0, log: false })
    // What is no template yet is half made: whoever made it is gone.
    if (found !== undefined) yield* emulator.dropDatabase(name)
    yield* emulator.createDatabase(name)
    yield* Effect.gen(function* () {
      // What the emulator adds to a database that somebody connects to, its copies have.
      yield* DsqlClient.DsqlClient.use(({ sql }) => sql`SELECT 1`)
      const migrator = yield* Migrator.Migrator
      yield* Effect.forEach(sources, (source) => migrator.setup({ source }), { discard: true })
    }).pipe(Effect.provide(Layer.provideMerge(Migrator.layer, DsqlClient.layerUrl({ url: emulator.url(name) }))))
    yield* sql`UPDATE pg_database SET datistemplate = true WHERE datname = ${name}`
  }).pipe(Effect.scoped)
