/**
 * What a layer says of a database that has not got its tables.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"

/**
 * A storage was built on a database without its tables, which no layer creates.
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
    tables: Schema.Array(Schema.String),
    /** Whose they are: those of `dsql/storage`, or of the caller's own schema, because the caller has named them. */
    of: Schema.Literals(["dsql/storage", "own"])
  }
) {
  override get message(): string {
    const tables = this.tables.join(", ")
    const advice =
      this.of === "own"
        ? "make it with your own schema, as the layer says"
        : `run effect-dsql setup-schema --schema-name ${this.of}`
    return `${this.layer} needs ${tables}, which the database does not have: ${advice}`
  }
}
