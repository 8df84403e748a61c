/**
 * Reads the files that a command line names. Whatever cannot be read is a
 * `SourceUnreadable`: its path, why, and what to do.
 */
import { SourceUnreadable } from "@effect-dsql/schema/SourceError"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"

/** How a command line names standard input. */
export const standardInput = "-"

/** The SQL files that a path stands for: itself, or those of a directory and the directories in it. */
export const sql = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<ReadonlyArray<string>, SourceUnreadable, FileSystem.FileSystem | Path.Path> {
  if (path === standardInput) return [path]
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const unreadable = Effect.mapError(unreadableAt(path))
  if ((yield* unreadable(files.stat(path))).type !== "Directory") return [path]
  const names = yield* unreadable(files.readDirectory(path, { recursive: true }))
  const found = names.filter((name) => name.endsWith(".sql") && !name.split(paths.sep).some(isForeign))
  if (found.length === 0) {
    return yield* new SourceUnreadable({
      path,
      problem: "there are no .sql files in it: name files, or another directory"
    })
  }
  return found.toSorted().map((name) => paths.join(path, name))
})

/** Reads a file, or standard input, as text. */
export const text = (path: string): Effect.Effect<string, SourceUnreadable, FileSystem.FileSystem | Stdio.Stdio> =>
  Effect.flatMap(bytes(path), (content) =>
    Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(content),
      catch: () => new SourceUnreadable({ path: named(path), problem: "it is not UTF-8 text: save it as UTF-8" })
    })
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
