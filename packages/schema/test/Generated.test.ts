/**
 * Whatever schema is set up, it is found as it was written; and where one part of it is written otherwise, that is found
 * too. `PROPERTY_RUNS` multiplies its runs, and `PROPERTY_SEED` the seed that stands in its name.
 */
import { Migrator, SchemaSource, Verify } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { TestMigrator } from "./support/database.ts"
import { parts, render, schemas } from "./support/ddl.ts"
import { sourceOf } from "./support/schemas.ts"

const seed = Number(process.env["PROPERTY_SEED"] ?? fc.sample(fc.nat(), 1)[0])
const runs = 8 * Number(process.env["PROPERTY_RUNS"] ?? 1)

/** How the database differs from a schema. */
const differences = (source: SchemaSource.SchemaSource) =>
  Verify.ensure(source, SchemaSource.latest(source).version).pipe(
    Effect.as([]),
    Effect.catchTag("CatalogueDiffers", ({ differences }) => Effect.succeed(differences))
  )

describe("a schema of whatever statements a seed makes", () => {
  it.live(`is found as it was set up, and different where one part is another (seed ${seed})`, () =>
    Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      const setup = (source: SchemaSource.SchemaSource) => migrator.setup({ source, versioning: false })
      for (const n of Array.from({ length: runs }).keys()) {
        const [schema] = fc.sample(schemas(`t${n}`), { numRuns: 1, seed: seed + n })
        assert(schema !== undefined)
        const text = render(schema)
        const source = yield* sourceOf(text)
        yield* setup(source)
        assert.deepStrictEqual(yield* differences(source), [], text)
        if (schema.takesAway) continue
        const { applied } = yield* setup(source)
        const repeatable = source.versions[0].statements.filter(({ target }) => target._tag === "Repeatable").length
        assert.strictEqual(applied, repeatable, text)
        const all = parts(schema)
        const changed = all[n % all.length]
        const other = yield* sourceOf(render(schema, changed))
        const said = `${text}\n--${changed?.other} for${changed?.text}`
        assert.isAbove((yield* differences(other)).length, 0, said)
        // What a setup does not refuse, it makes.
        const { _tag } = yield* Effect.result(setup(other))
        if (_tag === "Success") assert.deepStrictEqual(yield* differences(other), [], said)
      }
    }).pipe(Effect.provide(TestMigrator))
  )
})
