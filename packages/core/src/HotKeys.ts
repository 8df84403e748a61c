/**
 * Keys that many transactions want at once: who of a process has which, who waits for it, and what trying again may cost.
 *
 * Transactions that change the same row cannot commit side by side: of those that meet, one commits and the others start
 * over. So transactions of one client that name the same key come one after the other, and wait for their turn before
 * they take a connection. A transaction names keys by its option `keys`; fences and guards that take their row for
 * themselves name it too, once there has been a conflict. Between processes nothing is agreed: there the retry policy spreads
 * the one of each process that has its turn.
 *
 * @since 0.2.0
 * @stability unstable
 */
import * as Hottest from "./internal/hotkeys/hottest.ts"
import * as Lines from "./internal/hotkeys/lines.ts"
import * as Quota from "./internal/hotkeys/quota.ts"
import * as State from "./internal/hotkeys/state.ts"
import * as check from "./internal/options/check.ts"

export type { Hot } from "./internal/hotkeys/hottest.ts"
export type { Key } from "./internal/hotkeys/key.ts"
export type { RetryQuota } from "./internal/hotkeys/quota.ts"
export type { HotKeys } from "./internal/hotkeys/state.ts"

/**
 * How a client deals with keys that many want.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options {
  /**
   * Which keys transactions of this client wait for: those of their option `keys` (`named`), those besides that a fence or
   * a guard takes for itself (`fences`), or none (`off`). Default: `fences`.
   *
   * A fence says its key when it runs, in the minute after a conflict of this client. If somebody else has the key then,
   * the attempt ends there, waits its turn and begins anew, which counts as no attempt: what a body does before its fence
   * may happen once more than it is tried.
   */
  readonly queue?: "named" | "fences" | "off" | undefined
  /** How many transactions may wait, for all keys together; one more fails with `KeyQueueFull`. Default: 10,000. */
  readonly waiting?: number | undefined
  /**
   * What the retries of this client may cost all together, those of statements that commit by themselves included. Where
   * too few tokens are left, a conflict ends its transaction with `RetryQuotaExhausted`. Default: `unlimited`.
   */
  readonly retryQuota?: Quota.RetryQuota | "unlimited" | undefined
}

/**
 * What the AWS SDKs have by default since 2026-11-10: 500 tokens, and 14 for trying again what was not throttled.
 *
 * Conflicts are more ordinary than the failures that it was made for: 36 transactions that conflict at once use it up.
 * It suits a program that names its hot keys, so that few of its transactions meet.
 *
 * Source: https://aws.amazon.com/blogs/developer/updated-default-retry-behavior-for-aws-sdks-and-tools/
 *
 * @since 0.2.0
 * @category quotas
 */
export const awsQuota: Quota.RetryQuota = { tokens: 500, cost: 14 }

/**
 * Makes what a client has. `DsqlClient` makes its own, of its option `hotKeys`.
 *
 * @example
 * ```ts
 * import { DsqlClient, HotKeys } from "@effect-dsql/core"
 *
 * const live = DsqlClient.layer({
 *   endpoint: "abc.dsql.us-east-1.on.aws",
 *   hotKeys: { queue: "named", retryQuota: HotKeys.awsQuota }
 * })
 * ```
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (options: Options = {}): State.HotKeys => {
  const { queue = "fences", retryQuota = "unlimited", waiting = 10_000 } = options
  return State.make({
    queue,
    lines: Lines.make(check.whole("hotKeys.waiting", waiting, 1)),
    quota: retryQuota === "unlimited" ? undefined : Quota.make(checked(retryQuota)),
    hottest: Hottest.make(100),
    heat: { until: Number.NEGATIVE_INFINITY }
  })
}

const checked = ({ cost, tokens }: Quota.RetryQuota): Quota.RetryQuota => ({
  tokens: check.whole("hotKeys.retryQuota.tokens", tokens, 0),
  cost: check.whole("hotKeys.retryQuota.cost", cost, 1)
})
