/**
 * How an operator drives effect-dsql.
 *
 * @since 0.1.0
 */
export * as Arguments from "./Arguments.ts"
export * as Cli from "./Cli.ts"
export * as Connection from "./Connection.ts"
export * as ExitCode from "./ExitCode.ts"
export * as Failure from "./Failure.ts"
export * as FaultSyntax from "./FaultSyntax.ts"
export * as Json from "./Json.ts"
export * as Output from "./Output.ts"
export * as Progress from "./Progress.ts"
export * as Project from "./Project.ts"
export * as Stop from "./Stop.ts"
export * as Trail from "./Trail.ts"
