/**
 * `lint`: what Aurora DSQL will refuse in SQL files, and what will go wrong later.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type * as Linter from "@effect-dsql/dialect/Linter"
import type { ServiceDate } from "@effect-dsql/dialect/Rule"
import { Argument, Command, Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Connection from "./Connection.ts"
import { ExitCode } from "./ExitCode.ts"
import * as Failure from "./Failure.ts"
import * as Files from "./internal/files.ts"
import * as Output from "./Output.ts"
import { root } from "./Root.ts"
import * as Stop from "./Stop.ts"

/**
 * Prints a report of `@effect-dsql/dialect/Report`. It ends with 1 where there
 * are errors or warnings, and with 2 where a file could not be read; the other
 * files are linted all the same.
 *
 * @since 0.1.0
 * @category commands
 */
export const lint = Command.make(
  "lint",
  {
    paths: Argument.String("file").pipe(
      Argument.withDescription("SQL files, directories with .sql files, or - for standard input"),
      Argument.atLeast(1)
    ),
    transaction: Flag.Literals("transaction", ["statement", "file"]).pipe(
      Flag.withDescription(
        "What commits: each statement unless BEGIN says otherwise, or a file as one message [default: statement]"
      ),
      Flag.withDefault("statement")
    ),
    at: Flag.String("at").pipe(
      Flag.withMetavar("date"),
      Flag.withDescription("Day of the service whose rules apply, YYYY-MM-DD [default: the newest that is known]"),
      Flag.optional
    ),
    schema: Flag.String("schema").pipe(
      Flag.withMetavar("path"),
      Flag.withDescription(
        "SQL files, or a directory of them, that made the tables which these are about; nothing is said of it itself. May be given often"
      ),
      Flag.atLeast(0)
    ),
    fix: Flag.Boolean("fix").pipe(
      Flag.withDescription(
        "Show as a diff what has one right answer: ASYNC, identity for serial, NOT VALID and VALIDATE, one DDL per transaction"
      ),
      Flag.withDefault(false)
    ),
    write: Flag.Boolean("write").pipe(
      Flag.withDescription("With --fix: write it into the files, and report what is left"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* (input) {
    const shared = yield* root
    yield* Connection.connectsToNothing(shared, "lint")
    yield* fixable(input, shared.format)
    const at = Option.isSome(input.at) ? yield* serviceDate(input.at.value) : undefined
    const [listed, missing] = yield* Effect.partition(input.paths, Files.sql)
    const [sources, unreadable] = yield* Effect.partition(new Set(listed.flatMap(({ files }) => files)), (path) =>
      Effect.map(Files.text(path), (text): Read => ({ path, file: Files.named(path), text }))
    )
    // Loaded now: the parser is WebAssembly, and help and bad usage need none.
    const { lint } = yield* Effect.promise(() => import("@effect-dsql/dialect/Linter"))
    const Report = yield* Effect.promise(() => import("@effect-dsql/dialect/Report"))
    const options = { at, transaction: input.transaction, schema: yield* schemaOf(input.schema) }
    const texts = input.fix ? yield* corrected(shared, sources, options, input.write) : sources
    const found = (yield* Effect.forEach(texts, ({ file, text }) => lint(text, { file, ...options }))).flat()
    const unread = [...missing, ...listed.flatMap(({ unreadable }) => unreadable), ...unreadable]
    if (sources.length > 0) {
      yield* Output.findings(shared, (paint) => {
        switch (shared.format) {
          case "text":
            return Report.text(found, sources.length, paint)
          case "json":
            return Report.json(found, sources.length)
          case "sarif":
            return Report.sarif(found)
        }
      })
    }
    const presentation = { ...shared, format: shared.format === "json" ? "json" : "text" } as const
    for (const error of unread) {
      yield* Output.failure(presentation, Failure.fromCommandError(error), error.stack)
    }
    if (unread.length > 0) return yield* new Stop.Stop({ exitCode: ExitCode.usage })
    if (found.some(({ severity }) => severity !== "info")) return yield* new Stop.Stop({ exitCode: ExitCode.failed })
  })
).pipe(
  Command.annotate(Connection.Takes, []),
  Command.withDescription(
    "Find what Aurora DSQL will refuse in SQL files, and what will go wrong later; connects to nothing"
  ),
  Command.withExamples([
    { command: "effect-dsql lint schema/", description: "Lint every .sql file of a directory" },
    {
      command: "pg_dump --schema-only app | effect-dsql lint -",
      description: "What of a PostgreSQL schema needs changing?"
    },
    { command: "effect-dsql lint --fix schema/", description: "What of it has one right answer? --write writes it" },
    {
      command: "effect-dsql lint --schema schema/ queries/",
      description: "Does an index serve each statement of my program, by the types of its columns?"
    },
    { command: "effect-dsql lint --format sarif schema/ > lint.sarif", description: "For a code scanning service" }
  ])
)

/** The text of what made the tables, or undefined where nothing is said of them. */
const schemaOf = Effect.fnUntraced(function* (paths: ReadonlyArray<string>) {
  if (paths.length === 0) return undefined
  const listed = yield* Effect.forEach(paths, Files.sql)
  for (const { unreadable } of listed) for (const error of unreadable) return yield* error
  const files = new Set(listed.flatMap(({ files }) => files))
  return (yield* Effect.forEach(files, Files.text)).join("\n;\n")
})

/** A file that was read: its path, its name in messages, and its text. */
interface Read {
  readonly path: string
  readonly file: string
  readonly text: string
}

const fixable = (
  { fix, paths, write }: { readonly fix: boolean; readonly write: boolean; readonly paths: ReadonlyArray<string> },
  format: "text" | "json" | "sarif"
): Effect.Effect<void, Failure.InvalidUsage> => {
  const problem =
    write && !fix
      ? "--write is for --fix: give both"
      : fix && !write && format !== "text"
        ? `--fix shows a diff, which --format ${format} cannot: give --write too, or leave the format out`
        : write && paths.includes(Files.standardInput)
          ? "--write cannot write to standard input: name files, or leave it out for a diff"
          : undefined
  return problem === undefined ? Effect.void : Effect.fail(new Failure.InvalidUsage({ message: problem }))
}

/** Corrects files: shows what would change, and leaves them as they are, or writes it. */
const corrected = Effect.fnUntraced(function* (
  shared: { readonly quiet: boolean },
  sources: ReadonlyArray<Read>,
  options: Linter.Options,
  write: boolean
) {
  const { fix } = yield* Effect.promise(() => import("@effect-dsql/dialect/Fix"))
  const { createTwoFilesPatch } = yield* Effect.promise(() => import("diff"))
  return yield* Effect.forEach(
    sources,
    Effect.fnUntraced(function* (source) {
      const { text } = yield* fix(source.text, options)
      if (text === source.text) return source
      if (!write) {
        yield* Output.diff(shared, createTwoFilesPatch(source.file, source.file, source.text, text))
        return source
      }
      yield* Files.write(source.path, text)
      return { ...source, text }
    })
  )
})

const isServiceDate = (text: string): text is ServiceDate => {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`).getTime() : Number.NaN
  // A day that no month has is taken for one of the next month.
  return !Number.isNaN(day) && new Date(day).toISOString().startsWith(text)
}

const serviceDate = (text: string): Effect.Effect<ServiceDate, Failure.InvalidUsage> =>
  isServiceDate(text)
    ? Effect.succeed(text)
    : Effect.fail(
        new Failure.InvalidUsage({ message: `--at ${JSON.stringify(text)} is not a day: write it as 2026-11-28` })
      )
