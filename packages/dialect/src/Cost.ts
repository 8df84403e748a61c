/**
 * What a transaction costs on Aurora DSQL, by the formulas that AWS has published, in distributed processing units
 * (DPU).
 *
 * Source: "How billing works in Aurora DSQL" of the user guide, as it stood on 2026-11-28:
 * https://docs.aws.amazon.com/aurora-dsql/latest/userguide/billing-metering.html. A transaction's total is compute,
 * read and write together. Compute is the time that processing takes, which nobody knows beforehand: it has no formula
 * here.
 *
 * @since 0.1.0
 * @stability unstable
 */

/**
 * DPU of a byte that is written.
 *
 * @since 0.1.0
 * @category constants
 */
export const writeDpuPerByte = 0.000_048_83

/**
 * Bytes that a writing transaction is charged at least: 0.05 DPU.
 *
 * @since 0.1.0
 * @category constants
 */
export const writeBytesAtLeast = 1_024

/**
 * DPU of a byte that is read.
 *
 * @since 0.1.0
 * @category constants
 */
export const readDpuPerByte = 0.000_001_831_05

/**
 * Bytes that a reading transaction is charged at least: 0.00375 DPU.
 *
 * @since 0.1.0
 * @category constants
 */
export const readBytesAtLeast = 2_048

/**
 * Bytes that a row, or an entry of a secondary index, counts for at least.
 *
 * @since 0.1.0
 * @category constants
 */
export const entryBytesAtLeast = 128

/**
 * Bytes that some rows or index entries of together so many bytes are charged for.
 *
 * @since 0.1.0
 * @category conversions
 */
export const chargedBytes = (entries: number, bytes: number): number => Math.max(entries * entryBytesAtLeast, bytes)

/**
 * The Write DPU of a transaction that writes so many charged bytes: none where it writes nothing.
 *
 * @example
 * ```ts
 * import { Cost } from "@effect-dsql/dialect"
 *
 * // Two rows and their entries in one secondary index, each below 128 bytes: the minimum.
 * Cost.writeDpu(Cost.chargedBytes(4, 200)) // 0.05000192
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const writeDpu = (bytes: number): number =>
  bytes === 0 ? 0 : Math.max(bytes, writeBytesAtLeast) * writeDpuPerByte

/**
 * The Read DPU of a transaction that reads so many charged bytes: none where it reads nothing.
 *
 * @since 0.1.0
 * @category conversions
 */
export const readDpu = (bytes: number): number => (bytes === 0 ? 0 : Math.max(bytes, readBytesAtLeast) * readDpuPerByte)
