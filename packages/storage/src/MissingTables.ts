/**
 * What a layer says of a database that has not got its tables.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"

/**
 * A storage was built on a database without its tables. No layer creates any: they are the schema `dsql/storage`.
 *
 * @since 0.1.0
 * @category errors
 */
export class MissingTables extends Schema.TaggedError<MissingTables>("@effect-dsql/storage/MissingTables")(
  "MissingTables",
  {
    /** The layer that was built. */
    layer: Schema.String,
    /** The tables that are not there, at least one. */
    tables: Schema.Array(Schema.String)
  }
) {
  override get message(): string {
    const tables = this.tables.join(", ")
    return `${this.layer} needs ${tables}, which the database does not have: run effect-dsql setup-schema --schema-name dsql/storage`
  }
}
