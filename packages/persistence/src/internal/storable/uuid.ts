/**
 * UUIDs as text. The column compares 16 bytes, JavaScript compares letters: so an id is in small letters from the edge
 * on, as PostgreSQL gives it, and two of them are equal where their columns are.
 */
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaParser from "effect/SchemaParser"

/** In small letters, of any version or of none: Temporal takes 16 bytes, whatever they say of themselves. */
const Lower = Schema.String.check(Schema.isGUID(), Schema.isLowercased())

/** Decodes from any letters. */
export const Uuid = Schema.String.pipe(
  Schema.decodeTo(Lower, { decode: SchemaGetter.toLowerCase(), encode: SchemaGetter.passthrough() })
)

/** An id that is made from any letters too. */
export const anyLetters = <B extends string>(id: Schema.brand<typeof Uuid, B>): typeof id => {
  const small = <A>(of: (input: string, options?: Schema.MakeOptions) => A) => ({
    value: (input: string, options?: Schema.MakeOptions) => of(input.toLowerCase(), options)
  })
  // In the place of those that the schema would give itself when they are asked for.
  return Object.defineProperties(id, {
    make: small(SchemaParser.make(id)),
    makeEffect: small(SchemaParser.makeEffect(id)),
    makeOption: small(SchemaParser.makeOption(id))
  })
}
