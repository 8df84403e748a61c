/**
 * Serialised bytes and how they are encoded: what the stores keep without looking inside.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"

/**
 * Temporal's names for its encodings.
 *
 * @since 0.1.0
 * @category models
 */
export const Encoding = Schema.Literals(["Proto3", "Json"])

/**
 * @since 0.1.0
 * @category models
 */
export type Encoding = typeof Encoding.Type

/**
 * Bytes and their encoding.
 *
 * @since 0.1.0
 * @category models
 */
export const DataBlob = Schema.Struct({ data: Schema.Uint8Array, encoding: Encoding })

/**
 * @since 0.1.0
 * @category models
 */
export type DataBlob = typeof DataBlob.Type

/**
 * Tells whether two blobs hold the same bytes in the same encoding.
 *
 * @since 0.1.0
 * @category comparisons
 */
export const equals = (a: DataBlob, b: DataBlob): boolean =>
  a.encoding === b.encoding && a.data.length === b.data.length && a.data.every((byte, index) => byte === b.data[index])
