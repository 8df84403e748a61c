/**
 * Effect's own storages on Aurora DSQL.
 *
 * @since 0.1.0
 */
export * as MissingTables from "./MissingTables.ts"
