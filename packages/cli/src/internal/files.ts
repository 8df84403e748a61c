/**
 * Reads the files that a command line names. Whatever cannot be read is a
 * `SourceUnreadable`: its path, why, and what to do.
 */
import { SourceUnreadable } from "@effect-dsql/schema/SourceError"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { InvalidUsage } from "../Failure.ts"

/** How a command line names standard input. */
export const standardInput = "-"

/** The SQL files that a path stands for, and what of it cannot be looked into. */
export interface Listed {
  readonly files: ReadonlyArray<string>
  readonly unreadable: ReadonlyArray<SourceUnreadable>
}

const isSql = (name: string): boolean => name.toLowerCase().endsWith(".sql")

/** Lists the SQL files that a path stands for: itself, or those of a directory and the directories in it, each once. */
export const sql = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<Listed, SourceUnreadable, FileSystem.FileSystem | Path.Path> {
  if (path === standardInput) return { files: [path], unreadable: [] }
  const system = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const files: Array<string> = []
  const unreadable: Array<SourceUnreadable> = []
  const entered = new Set<string>()
  /** What is in a directory that was not looked into before; undefined for a file. */
  const inside = Effect.fnUntraced(function* (
    at: string
  ): Effect.fn.Return<ReadonlyArray<string> | undefined, PlatformError> {
    if ((yield* system.stat(at)).type !== "Directory") return undefined
    // Links may lead back to where they stand.
    const real = yield* system.realPath(at)
    if (entered.has(real)) return []
    entered.add(real)
    const names = yield* system.readDirectory(at)
    return names.filter((name) => !isForeign(name)).map((name) => paths.join(at, name))
  })
  const pending = [path]
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const seen = yield* Effect.result(inside(at))
    if (Result.isFailure(seen)) {
      const error = unreadableAt(at)(seen.failure)
      if (at === path) return yield* error
      // A link that leads nowhere matters where it should be SQL.
      if (seen.failure.reason._tag !== "NotFound" || isSql(at)) unreadable.push(error)
    } else if (seen.success !== undefined) pending.push(...seen.success)
    else if (at === path || isSql(at)) files.push(at)
  }
  if (files.length === 0 && unreadable.length === 0) {
    return yield* new SourceUnreadable({
      path,
      problem: "there are no .sql files in it: name files, or another directory"
    })
  }
  return { files: files.toSorted(), unreadable }
})

/** Reads a file, or standard input, as text. */
export const text = (path: string): Effect.Effect<string, SourceUnreadable, FileSystem.FileSystem | Stdio.Stdio> =>
  Effect.flatMap(bytes(path), (content) =>
    Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(content),
      catch: () => new SourceUnreadable({ path: named(path), problem: "it is not UTF-8 text: save it as UTF-8" })
    })
  )

/** Writes a text into a file. */
export const write = (path: string, text: string): Effect.Effect<void, InvalidUsage, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (files) =>
    Effect.mapError(
      files.writeFileString(path, text),
      (error) => new InvalidUsage({ message: `cannot write ${path}: ${problem(error)}` })
    )
  )

/** The name of a file in messages. */
export const named = (path: string): string => (path === standardInput ? "<stdin>" : path)

const bytes = Effect.fnUntraced(function* (path: string) {
  const files = yield* FileSystem.FileSystem
  const stdio = yield* Stdio.Stdio
  const content =
    path === standardInput
      ? Effect.map(Stream.runCollect(stdio.stdin), (chunks) => Buffer.concat(chunks))
      : files.readFile(path)
  return yield* Effect.mapError(content, unreadableAt(named(path)))
})

// What a package manager or an editor keeps is nobody's own SQL.
const isForeign = (segment: string): boolean => segment === "node_modules" || segment.startsWith(".")

/** What to say of a path where the file system refused. */
export const unreadableAt =
  (path: string) =>
  (error: PlatformError): SourceUnreadable =>
    new SourceUnreadable({ path, problem: problem(error) })

const problem = ({ message, reason }: PlatformError): string => {
  switch (reason._tag) {
    case "NotFound":
      return "there is nothing there: check the path"
    case "PermissionDenied":
      return "permission denied: check its owner and mode"
    default: {
      // Node's codes for one kind of file where another is expected, and for what recursion may not enter, have no tag.
      const { cause } = reason
      const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : ""
      return problems[code] ?? message.replaceAll(/\s+/g, " ")
    }
  }
}

const problems: Readonly<Record<string, string>> = {
  EACCES: "permission denied: check its owner and mode",
  EISDIR: "it is a directory: name a file",
  ENOTDIR: "it is not a directory: check the path"
}
