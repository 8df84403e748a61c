/**
 * A write that is tried: what must be there before it, and what is done.
 */
import type { DsqlClient } from "@effect-dsql/core"
import { type DataBlob, Identifiers, type Persistence } from "@effect-dsql/persistence"
import { Effect } from "effect"

/** What a write may use. */
export type Needs = DsqlClient.DsqlClient | Persistence.Persistence

/** A write that ends with a value or with a tagged error, and leaves the same rows each time. */
export interface Case {
  /** Tells it from other cases of the same write. */
  readonly when: string
  readonly given: Effect.Effect<unknown, unknown, Needs>
  readonly write: Effect.Effect<unknown, { readonly _tag: string }, Needs>
  /** Whether it may be done again to settle its outcome, so that it is there twice: what is taken twice is held. */
  readonly again: boolean
  /** Whether nothing finds out what became of it, so that its outcome may stay unknown. */
  readonly unknown: boolean
}

/** A write that needs nothing but what `given` leaves. */
export const write = <E extends { readonly _tag: string }>(
  effect: Effect.Effect<unknown, E, Needs>,
  given: Effect.Effect<unknown, unknown, Needs> = Effect.void,
  { again = false, unknown = false, when = "" }: Partial<Pick<Case, "again" | "unknown" | "when">> = {}
): Case => ({ when, given, write: effect, again, unknown })

/** Bytes that say what they are. */
export const blob = (text: string): DataBlob.DataBlob => ({ data: new TextEncoder().encode(text), encoding: "Json" })

/** The same UUID for the same number. */
export const uuid = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`

export const namespaceId = Identifiers.NamespaceId.make(uuid(1))

export const shardId = Identifiers.ShardId.make(7)

/** The range that the shard has. */
export const rangeId = 5n
