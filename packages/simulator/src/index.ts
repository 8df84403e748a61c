/**
 * What a retry policy does under contention: the toolkit's own code on a virtual clock.
 *
 * @since 0.1.0
 */
export * as Chart from "./Chart.ts"
export * as Connecting from "./Connecting.ts"
export * as Contention from "./Contention.ts"
export * as Policies from "./Policies.ts"
export * as Table from "./Table.ts"
