/**
 * What the rows of messages are found by: keys that spread, whatever they are made of.
 */
import { createHash } from "node:crypto"

/**
 * A request's key: a permutation of its Snowflake (the finalizer of MurmurHash3), so that it is the key of no other one,
 * and requests that follow upon each other lie apart.
 */
export const requestKey = (id: bigint): bigint => {
  let key = BigInt.asUintN(64, id)
  key ^= key >> 33n
  key = BigInt.asUintN(64, key * 0xff51afd7ed558ccdn)
  key ^= key >> 33n
  key = BigInt.asUintN(64, key * 0xc4ceb9fe1a85ec53n)
  key ^= key >> 33n
  return BigInt.asIntN(64, key)
}

/** The hash of a composed primary key, which may be of any length, within a cluster: a UUID. */
export const keyHash = (prefix: string, primaryKey: string): string => {
  const hex = createHash("sha256").update(`${prefix}\0${primaryKey}`).digest("hex")
  return hex.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
}
