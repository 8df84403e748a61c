/**
 * What a client may spend on trying again: tokens, of which each retry costs some, and each success gives some back.
 *
 * The rule is that of the AWS SDKs: a success after retries gives back what the last of them cost, one at once gives back
 * one token, and there are never more than in the beginning.
 */

/**
 * How much may be tried again: each retry costs `cost` of `tokens`. A transaction that commits gives back what its last
 * retry cost, or one token where it needed none.
 *
 * @since 0.2.0
 * @category models
 */
export interface RetryQuota {
  readonly tokens: number
  readonly cost: number
}

export interface Quota {
  /** Pays for a retry, or says that there are not enough tokens left. */
  readonly pay: () => boolean
  /** A transaction that was tried again has committed. */
  readonly giveBack: () => void
  /** One has committed that was not. */
  readonly reward: () => void
  readonly left: () => number
}

export const make = ({ cost, tokens }: RetryQuota): Quota => {
  let left = tokens
  return {
    pay: () => {
      if (left < cost) return false
      left -= cost
      return true
    },
    giveBack: () => {
      left = Math.min(tokens, left + cost)
    },
    reward: () => {
      if (left < tokens) left += 1
    },
    left: () => left
  }
}
