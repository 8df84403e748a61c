/**
 * One operation of the scripted history: as a caller of the stores asks for it, and as the Go system sends it.
 */
import type { Transaction } from "@effect-dsql/core"
import { type DataBlob, Identifiers, type Persistence } from "@effect-dsql/persistence"
import type { Effect } from "effect"

export interface Step {
  readonly name: string
  readonly stores: Effect.Effect<unknown, unknown, Persistence.Persistence>
  /** The statements of one transaction. */
  readonly go: Effect.Effect<unknown, unknown, Transaction.Transaction>
}

/** The same UUID for the same kind and number, of no version: Temporal takes any. */
export const uuid = (kind: number, number: number): string =>
  `${String(kind).padStart(8, "0")}-0000-0000-0000-${String(number).padStart(12, "0")}`

/** Bytes that say what they are. */
export const blob = (text: string): DataBlob.DataBlob => ({ data: new TextEncoder().encode(text), encoding: "Proto3" })

/** A blob, as the columns that hold it. */
export const columns = ({ data, encoding }: DataBlob.DataBlob) => ({ data, data_encoding: encoding })

export const namespaceId = Identifiers.NamespaceId.make(uuid(1, 1))

/** How many times something is done, by its number from 1. */
export const times = <A>(count: number, make: (number: number) => A): ReadonlyArray<A> =>
  Array.from({ length: count }, (_, index) => make(index + 1))
