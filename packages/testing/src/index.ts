/**
 * A fresh, migrated Aurora DSQL database for each test file, in one line.
 *
 * @since 0.1.0
 */
export * as Server from "./Server.ts"
export * as Template from "./Template.ts"
export * as Testing from "./Testing.ts"
