/**
 * The tables that hold the parts of a run: how each row is keyed, and what it holds.
 */
import type { DataBlob } from "../../DataBlob.ts"
import type { ChasmNode, Parts } from "../../Execution.ts"
import type { Mutation } from "../../ExecutionWrite.ts"
import type * as Expression from "@effect-dsql/core/Expression"

/** A table of parts. Its key is the run's and one column of its own. */
export interface PartTable {
  readonly table: string
  /** The part's own column of the key. */
  readonly id: string
  readonly idType: "bigint" | "text"
  /** The columns beside the key. */
  readonly columns: Expression.Columns
}

export type PartName = keyof Parts

/** A row beside the run's key. */
export type PartRow = Readonly<Record<string, Uint8Array | bigint | string | null>>

const blob = { data: "bytea", data_encoding: "text" } as const

const part = (
  table: string,
  id: string,
  idType: PartTable["idType"],
  columns: PartTable["columns"] = blob
): PartTable => ({ table, id, idType, columns })

export const tables: Readonly<Record<PartName, PartTable>> = {
  activities: part("activity_info_maps", "schedule_id", "bigint"),
  timers: part("timer_info_maps", "timer_id", "text"),
  children: part("child_execution_info_maps", "initiated_id", "bigint"),
  cancels: part("request_cancel_info_maps", "initiated_id", "bigint"),
  signals: part("signal_info_maps", "initiated_id", "bigint"),
  requestedSignals: part("signals_requested_sets", "signal_id", "text", {}),
  chasmNodes: part("chasm_node_maps", "chasm_path", "text", {
    metadata: "bytea",
    metadata_encoding: "text",
    ...blob
  })
}

export const names = Object.keys(tables) as ReadonlyArray<PartName> // The record has exactly these keys.

/** The rows of one kind of part, without those that are removed by the same write. */
export const rowsOf = (
  name: PartName,
  put: Mutation["put"],
  removed: ReadonlySet<bigint | string> | undefined
): ReadonlyArray<PartRow> => {
  const { id } = tables[name]
  const rows: Array<PartRow> = []
  const add = (key: bigint | string, columns: PartRow) => {
    if (removed?.has(key) !== true) rows.push({ [id]: key, ...columns })
  }
  if (name === "requestedSignals") put?.requestedSignals?.forEach((key) => add(key, {}))
  else if (name === "chasmNodes") put?.chasmNodes?.forEach((node, key) => add(key, nodeColumns(node)))
  else if (name === "timers") put?.timers?.forEach((value, key) => add(key, blobColumns(value)))
  else put?.[name]?.forEach((value, key) => add(key, blobColumns(value)))
  return rows
}

const blobColumns = ({ data, encoding }: DataBlob): PartRow => ({ data, data_encoding: encoding })

const nodeColumns = ({ data, metadata }: ChasmNode): PartRow => ({
  metadata: metadata.data,
  metadata_encoding: metadata.encoding,
  data: data?.data ?? null,
  // Temporal reads every encoding as a string, which cannot be NULL.
  data_encoding: data?.encoding ?? ""
})
