/**
 * The same transaction by pgbench, in C and without a pool: what nobody is faster than. It runs by itself, so it is a
 * limit to read the others against, and none of them.
 */
import { Console, Effect, Option, Redacted } from "effect"
import { execFile } from "node:child_process"
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

const statements = (pipelined: boolean): string => {
  const lines = [
    "BEGIN ISOLATION LEVEL REPEATABLE READ;",
    "SELECT n FROM bench_rows WHERE id = :id;",
    "UPDATE bench_rows SET n = n + 1 WHERE id = :id;",
    "COMMIT;"
  ]
  const sent = pipelined ? ["\\startpipeline", ...lines, "\\endpipeline"] : lines
  return ["\\set id random(0, 999)", ...sent, ""].join("\n")
}

const run = (program: string, args: ReadonlyArray<string>): Effect.Effect<Option.Option<string>> =>
  Effect.callback((resume) => {
    execFile(program, args, (error, stdout) =>
      resume(Effect.succeed(error === null ? Option.some(stdout) : Option.none()))
    )
  })

/** On the path, or where Debian has it. */
const program = Effect.gen(function* () {
  const versions = yield* Effect.promise(() => readdir("/usr/lib/postgresql").catch((): Array<string> => []))
  for (const each of ["pgbench", ...versions.map((version) => `/usr/lib/postgresql/${version}/bin/pgbench`)]) {
    if (Option.isSome(yield* run(each, ["--version"]))) return each
  }
  return undefined
})

/** Prints what pgbench measures, if it is at hand. */
export const limit = Effect.fnUntraced(function* (url: Redacted.Redacted, clients: number) {
  const pgbench = yield* program
  if (pgbench === undefined) return yield* Console.log("\npgbench is not at hand")
  const directory = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "pgbench-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true }))
  )
  yield* Console.log(`\npgbench, prepared, by itself (${clients} at a time)`)
  for (const pipelined of [false, true]) {
    const script = join(directory, "script.sql")
    yield* Effect.promise(() => writeFile(script, statements(pipelined)))
    const options = ["-n", "-M", "prepared", "-f", script, "-c", String(clients), "-T", "3"]
    const answer = Option.getOrElse(yield* run(pgbench, [...options, Redacted.value(url)]), () => "")
    const perSecond = Number(/tps = ([\d.]+)/.exec(answer)?.[1])
    yield* Console.log(
      `  ${(pipelined ? "in one" : "in turn").padEnd(44)}${`${(1e6 / perSecond).toFixed(0)} us`.padStart(12)}${perSecond.toFixed(0).padStart(24)}`
    )
  }
}, Effect.scoped)
