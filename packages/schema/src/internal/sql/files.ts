/**
 * Reading directories and files, with what is wrong with them said for people.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { InvalidSource, SourceUnreadable } from "../../SourceError.ts"

/** The names in a directory. */
export const list = (path: string): Effect.Effect<ReadonlyArray<string>, SourceUnreadable, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.readDirectory(path)).pipe(
    Effect.mapError((error) => new SourceUnreadable({ path, problem: problem(error, "a directory of versions") }))
  )

/** The bytes of a file. */
export const bytesOf = (path: string): Effect.Effect<Uint8Array, SourceUnreadable, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.readFile(path)).pipe(
    Effect.mapError((error) => new SourceUnreadable({ path, problem: problem(error, "a file") }))
  )

/** Where a directory or a file really is, whatever links lead there. */
export const realPath = (path: string): Effect.Effect<string, SourceUnreadable, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.realPath(path)).pipe(
    Effect.mapError((error) => new SourceUnreadable({ path, problem: problem(error, "a file") }))
  )

/** The bytes of a file that belongs to a directory, which is given as it really is: no link leads out of it. */
export const bytesWithin = (
  root: string,
  path: string
): Effect.Effect<Uint8Array, InvalidSource | SourceUnreadable, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const paths = yield* Path.Path
    const real = yield* realPath(path)
    const from = paths.relative(root, real)
    if (from.split(paths.sep)[0] === ".." || paths.isAbsolute(from)) {
      return yield* new InvalidSource({
        path,
        problem: `it is a link that leads out of ${root}: put the file itself there`
      })
    }
    return yield* bytesOf(path)
  })

const problem = (error: PlatformError, expected: string): string => {
  switch (error.reason._tag) {
    case "NotFound":
      return "there is nothing there: check the path"
    case "PermissionDenied":
      return "permission denied: check its owner and mode"
    default: {
      // Node's codes for a file where a directory is expected, and the reverse, have no tag of their own.
      const code = causeCode(error.reason.cause)
      return code === "ENOTDIR" || code === "EISDIR" ? `it is not ${expected}` : error.message.replaceAll(/\s+/g, " ")
    }
  }
}

const causeCode = (cause: unknown): unknown =>
  typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
