/**
 * The first message of a queue that is not deleted, as Temporal keeps it: in the bytes of its protobuf message `Queue`,
 * a map of partitions, of which there is one, numbered 0, with the field `min_message_id`.
 */

type Field = readonly [number: number, value: bigint | Uint8Array]

/** The bytes of a queue whose first message has this id. */
export const encode = (minMessageId: bigint): Uint8Array => {
  const partition = minMessageId === 0n ? [] : [0x08, ...varint(minMessageId)]
  const entry = [0x08, 0x00, 0x12, partition.length, ...partition]
  return Uint8Array.from([0x0a, entry.length, ...entry])
}

/** The id of the first message; undefined where the bytes are not those of a queue of one partition. */
export const decode = (bytes: Uint8Array): bigint | undefined => {
  const entry = only(bytes, 1)
  const partition = entry === undefined ? undefined : only(entry, 2)
  if (partition === undefined) return undefined
  const found = fields(partition)
  if (found === undefined) return undefined
  const min = found.find(([number]) => number === 1)?.[1] ?? 0n
  return typeof min === "bigint" ? min : undefined
}

/** The one message in a field of this number. */
const only = (bytes: Uint8Array, number: number): Uint8Array | undefined => {
  const found = (fields(bytes) ?? []).filter(([field]) => field === number)
  const value = found.length === 1 ? found[0]?.[1] : undefined
  return typeof value === "bigint" ? undefined : value
}

/** The fields of a message; undefined where the bytes are none, or have kinds of fields that no queue has. */
const fields = (bytes: Uint8Array): ReadonlyArray<Field> | undefined => {
  const found: Array<Field> = []
  let at = 0
  const number = (): bigint | undefined => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) return undefined
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    return undefined
  }
  while (at < bytes.length) {
    const tag = number()
    const value = number()
    if (tag === undefined || value === undefined) return undefined
    const kind = tag & 7n
    if (kind === 0n) {
      found.push([Number(tag >> 3n), value])
    } else if (kind === 2n && value <= BigInt(bytes.length - at)) {
      found.push([Number(tag >> 3n), bytes.subarray(at, at + Number(value))])
      at += Number(value)
    } else {
      return undefined
    }
  }
  return found
}

const varint = (value: bigint): ReadonlyArray<number> =>
  value < 0x80n ? [Number(value)] : [Number(value & 0x7fn) | 0x80, ...varint(value >> 7n)]
