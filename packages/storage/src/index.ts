/**
 * Effect's own storages on Aurora DSQL.
 *
 * @since 0.1.0
 */
export * as KeyValueStore from "./KeyValueStore.ts"
export * as MissingTables from "./MissingTables.ts"
export * as PersistedQueue from "./PersistedQueue.ts"
export * as Persistence from "./Persistence.ts"
export * as RateLimiter from "./RateLimiter.ts"
export * as SqlEventJournal from "./SqlEventJournal.ts"
export * as SqlEventLogServerEncrypted from "./SqlEventLogServerEncrypted.ts"
export * as SqlEventLogServerUnencrypted from "./SqlEventLogServerUnencrypted.ts"
