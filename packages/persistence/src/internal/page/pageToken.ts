/**
 * The token's type, where errors can name it too.
 */
import * as Schema from "effect/Schema"

export const PageToken = Schema.NonEmptyString.pipe(Schema.brand("PageToken"))
