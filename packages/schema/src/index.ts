/**
 * What is stored and how it changes.
 *
 * @since 0.1.0
 */
export * as Difference from "./Difference.ts"
export * as EffectMigrator from "./EffectMigrator.ts"
export * as Engine from "./Engine.ts"
export * as Event from "./Event.ts"
export * as History from "./History.ts"
export * as Manifest from "./Manifest.ts"
export * as Migration from "./Migration.ts"
export * as MigrationError from "./MigrationError.ts"
export * as Migrator from "./Migrator.ts"
export * as Outline from "./Outline.ts"
export * as Plan from "./Plan.ts"
export * as Repair from "./Repair.ts"
export * as SchemaSource from "./SchemaSource.ts"
export * as SourceError from "./SourceError.ts"
export * as SqlStatement from "./SqlStatement.ts"
export * as Status from "./Status.ts"
export * as Verify from "./Verify.ts"
export * as Version from "./Version.ts"
