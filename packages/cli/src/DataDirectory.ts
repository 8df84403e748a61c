/**
 * The directory where a local Aurora DSQL keeps its data. The emulator makes it
 * its own, and clears what a killed process left half made: so it has to be
 * empty, or the emulator's already.
 */
import type { SourceUnreadable } from "@effect-dsql/schema/SchemaError"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { InvalidUsage } from "./Failure.ts"
import * as Files from "./Files.ts"

const secret = "password"
const cluster = "data"

/**
 * Refuses a directory that holds what is somebody else's.
 */
export const prepare = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<void, InvalidUsage | SourceUnreadable, FileSystem.FileSystem | Path.Path> {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const entries = yield* files.readDirectory(path).pipe(
    Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed<Array<string>>([])),
    Effect.mapError(Files.unreadableAt(path))
  )
  if (entries.length === 0) return
  const made = yield* Effect.orElseSucceed(files.exists(paths.join(path, cluster, "PG_VERSION")), () => false)
  const own = entries.includes(secret) && (made || entries.every((entry) => entry === secret || entry === cluster))
  if (!own) {
    return yield* new InvalidUsage({
      message: `${path} holds other files: give --data-dir a new directory, or one that dev made`
    })
  }
})
