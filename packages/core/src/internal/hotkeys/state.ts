/**
 * What a client knows of its hot keys.
 */
import type { Hottest } from "./hottest.ts"
import type { Lines } from "./lines.ts"
import type { Quota } from "./quota.ts"

const TypeId = "~@effect-dsql/core/HotKeys"

/**
 * Who of a client has which key, who waits, and what its retries have cost.
 *
 * @since 0.2.0
 * @category models
 */
export interface HotKeys {
  readonly [TypeId]: typeof TypeId
}

/** The same, with what is in it. */
export interface State extends HotKeys {
  readonly queue: "named" | "fences" | "off"
  readonly lines: Lines
  /** What retries are paid from; undefined where they cost nothing. */
  readonly quota: Quota | undefined
  readonly hottest: Hottest
  /** Until when fences are asked for their keys, in monotonic milliseconds. */
  readonly heat: { until: number }
}

export const make = (state: Omit<State, typeof TypeId>): HotKeys => ({ [TypeId]: TypeId, ...state })

/** Only `make` makes one: nobody else has the type's key. */
export const stateOf = (hotKeys: HotKeys): State => hotKeys as State
