/**
 * The file by which a running `dev` is found: beside its data directory, for as long as it runs.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** Where a running `dev` is. */
export const Desk = Schema.fromJsonString(
  Schema.Struct({ url: Schema.String, console: Schema.NullOr(Schema.String), pid: Schema.Int })
)

/** The file of the desk of a data directory. */
export const fileOf = (dataDirectory: string): string => `${dataDirectory}.desk.json`

const encode = Schema.encodeEffect(Desk)
const decode = Schema.decodeUnknownEffect(Desk)

/** Says where it is until the scope closes. Only its own user may read it: the console's address has its token. */
export const open = Effect.fnUntraced(function* (dataDirectory: string, desk: typeof Desk.Type) {
  const files = yield* FileSystem.FileSystem
  const file = fileOf(dataDirectory)
  yield* Effect.acquireRelease(
    // Where it cannot be written, `tail` asks for the address.
    Effect.ignore(Effect.flatMap(encode(desk), (text) => files.writeFileString(file, `${text}\n`, { mode: 0o600 }))),
    () => Effect.ignore(files.remove(file))
  )
})

/** Looks for the desk of a data directory; none where nobody runs there, or where the file is not one. */
export const find = Effect.fnUntraced(function* (dataDirectory: string) {
  const files = yield* FileSystem.FileSystem
  return Option.getOrUndefined(
    yield* Effect.option(Effect.flatMap(files.readFileString(fileOf(dataDirectory)), decode))
  )
})
