/**
 * What is stored and how it changes.
 *
 * @since 0.1.0
 */
export * as Baseline from "./Baseline.ts"
export * as Bookkeeping from "./Bookkeeping.ts"
export * as Catalogue from "./Catalogue.ts"
export * as Difference from "./Difference.ts"
export * as Event from "./Event.ts"
export * as History from "./History.ts"
export * as Job from "./Job.ts"
export * as Manifest from "./Manifest.ts"
export * as Migration from "./Migration.ts"
export * as Migrator from "./Migrator.ts"
export * as Outline from "./Outline.ts"
export * as Plan from "./Plan.ts"
export * as Repair from "./Repair.ts"
export * as SchemaError from "./SchemaError.ts"
export * as SchemaSource from "./SchemaSource.ts"
export * as SqlFile from "./SqlFile.ts"
export * as Status from "./Status.ts"
export * as Step from "./Step.ts"
export * as Target from "./Target.ts"
export * as Verify from "./Verify.ts"
export * as Version from "./Version.ts"
