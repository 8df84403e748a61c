import { Postgres } from "@effect-dsql/emulator"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Reactivity } from "effect/reactivity"
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { copyInto } from "../src/internal/postgres/cachedCluster.ts"

/** A cache, and a recipe that says how often it was followed. */
const kitchen = Effect.acquireRelease(
  Effect.promise(async () => {
    const root = await mkdtemp(join(tmpdir(), "cluster-test-"))
    const made = { times: 0 }
    const place = join(root, "cache")
    const recipe = {
      place,
      ingredients: ["16.0.0"],
      owner: undefined,
      make: async (directory: string) => {
        made.times++
        await mkdir(join(directory, "data/base"), { recursive: true })
        await writeFile(join(directory, "data/base/1"), "a table", { mode: 0o600 })
        await writeFile(join(directory, "password"), "secret", { mode: 0o600 })
      }
    }
    const taken = async () => {
      const directory = await mkdtemp(join(root, "taken-"))
      const isCopied = await copyInto(recipe, directory)
      return isCopied ? await readFile(join(directory, "data/base/1"), "utf8") : undefined
    }
    return { root, place, recipe, taken, made }
  }),
  ({ root }) => Effect.promise(() => rm(root, { recursive: true, force: true }))
)

const only = async (place: string): Promise<string> => {
  const names = await readdir(place)
  assert.strictEqual(names.length, 1, names.join())
  return join(place, names[0] ?? "")
}

describe("a cached cluster", () => {
  it.effect("is made once and then copied, for its owner alone", () =>
    Effect.gen(function* () {
      const { made, place, recipe, root, taken } = yield* kitchen
      yield* Effect.promise(async () => {
        assert.strictEqual(await taken(), "a table")
        const copy = join(root, "copy")
        await mkdir(copy)
        assert.isTrue(await copyInto(recipe, copy))
        const modes = await Promise.all(["data", "data/base/1", "password"].map((path) => stat(join(copy, path))))
        assert.deepStrictEqual(modes.map(({ mode }) => mode & 0o777).map(String), [0o700, 0o600, 0o600].map(String))
        assert.strictEqual((await stat(await only(place))).mode & 0o777, 0o700)
      })
      assert.strictEqual(made.times, 1)
    })
  )

  it.effect("is another one where anything is different that decides what it is", () =>
    Effect.gen(function* () {
      const { made, recipe, root } = yield* kitchen
      yield* Effect.promise(() => copyInto(recipe, root))
      yield* Effect.promise(() => copyInto({ ...recipe, ingredients: ["16.0.1"] }, root))
      assert.strictEqual(made.times, 2)
    })
  )

  it.effect("serves several who come at a time, and nothing else is left behind", () =>
    Effect.gen(function* () {
      const { place, taken } = yield* kitchen
      const all = yield* Effect.promise(() => Promise.all([1, 2, 3, 4].map(taken)))
      assert.deepStrictEqual(all, ["a table", "a table", "a table", "a table"])
      yield* Effect.promise(() => only(place))
    })
  )

  const harms: Readonly<Record<string, (whole: string) => Promise<void>>> = {
    "a file is gone": (whole) => rm(join(whole, "data/base/1")),
    "a file is cut short": (whole) => truncate(join(whole, "data/base/1"), 3),
    "its list is gone": (whole) => rm(join(whole, "files.json")),
    "it was deleted": (whole) => rm(whole, { recursive: true })
  }
  for (const [what, harm] of Object.entries(harms)) {
    it.effect(`is made again where ${what}`, () =>
      Effect.gen(function* () {
        const { made, place, taken } = yield* kitchen
        yield* Effect.promise(async () => {
          await taken()
          await harm(await only(place))
          assert.strictEqual(await taken(), "a table")
          await only(place)
        })
        assert.strictEqual(made.times, 2)
      })
    )
  }

  it.effect.skipIf(process.platform === "win32")("is not taken from a directory that others can write to", () =>
    Effect.gen(function* () {
      const { place, taken } = yield* kitchen
      yield* Effect.promise(async () => {
        await taken()
        await chmod(await only(place), 0o777)
        assert.isUndefined(await taken())
      })
    })
  )

  it.effect("is never half made: who is killed leaves a draft, which goes an hour later", () =>
    Effect.gen(function* () {
      const { made, place, taken } = yield* kitchen
      yield* Effect.promise(async () => {
        await taken()
        const whole = await only(place)
        await rm(whole, { recursive: true })
        const drafts = ["killed", "busy"].map((who) => join(`${whole}.${who}`, "whole/data"))
        await Promise.all(drafts.map((draft) => mkdir(draft, { recursive: true })))
        await utimes(`${whole}.killed`, new Date(0), new Date(0))
        assert.strictEqual(await taken(), "a table")
        assert.deepStrictEqual(
          (await readdir(place)).map((name) => join(place, name)),
          [whole, `${whole}.busy`]
        )
      })
      assert.strictEqual(made.times, 2)
    })
  )

  it.effect("is done without where there is no place for it", () =>
    Effect.gen(function* () {
      const { place, taken } = yield* kitchen
      yield* Effect.promise(() => writeFile(place, "a file"))
      assert.isUndefined(yield* Effect.promise(taken))
    })
  )
})

/** What tells clusters apart, and does not differ between copies of one. */
const identifierOf = (options: Postgres.Options) =>
  Effect.gen(function* () {
    const { url } = yield* Postgres.make(options)
    const sql = yield* PgClient.makeClient({ url: url() })
    const [row] = yield* sql<{ id: string }>`SELECT system_identifier::text AS id FROM pg_control_system()`
    return row?.id
  }).pipe(Effect.scoped, Effect.provide(Reactivity.layer))

const cachedIn = (place: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = process.env["EFFECT_DSQL_CACHE"]
      process.env["EFFECT_DSQL_CACHE"] = place
      return before
    }),
    (before) =>
      Effect.sync(() => {
        if (before === undefined) delete process.env["EFFECT_DSQL_CACHE"]
        else process.env["EFFECT_DSQL_CACHE"] = before
      })
  )

describe("Postgres.make", () => {
  it.live("copies the cluster of a server whose data goes with it, and makes that of one whose data stays", () =>
    Effect.gen(function* () {
      const { place, root } = yield* kitchen
      yield* cachedIn(place)
      const first = yield* identifierOf({})
      assert.strictEqual(yield* identifierOf({}), first)
      yield* Effect.promise(() => chmod(root, 0o755))
      assert.notStrictEqual(yield* identifierOf({ dataDirectory: join(root, "kept") }), first)
      process.env["EFFECT_DSQL_CACHE"] = "off"
      assert.notStrictEqual(yield* identifierOf({}), first)
    })
  )
})
