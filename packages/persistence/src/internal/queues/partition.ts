/**
 * The first message of a queue that is not deleted, as Temporal keeps it: in its message `Queue`, which here has one
 * partition, numbered 0.
 *
 *     Queue          { map<int32, QueuePartition> partitions = 1; }
 *     QueuePartition { int64 min_message_id = 1; }
 */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import * as Option from "effect/Option"

/** The bytes of a queue whose first message has this id. */
export const encode = (minMessageId: bigint): Uint8Array => {
  const writer = new BinaryWriter()
  writer.tag(1, WireType.LengthDelimited).fork()
  writer.tag(1, WireType.Varint).int32(0)
  writer.tag(2, WireType.LengthDelimited).fork()
  // A field that has its default value is left out, as Proto3 does; those of a map's entry never are.
  if (minMessageId !== 0n) writer.tag(1, WireType.Varint).int64(minMessageId)
  return writer.join().join().finish()
}

/** The id of the first message; undefined where the bytes are not those of a queue of one partition. */
export const decode = (bytes: Uint8Array): bigint | undefined => Option.getOrUndefined(read(bytes))

const read = Option.liftThrowable((bytes: Uint8Array): bigint | undefined => {
  const entry = only(messages(bytes, 1))
  const partition = entry === undefined ? undefined : only(messages(entry, 2))
  if (partition === undefined) return undefined
  const reader = new BinaryReader(partition)
  let min = 0n
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (field === 1 && type === WireType.Varint) min = BigInt(reader.int64())
    else reader.skip(type, field)
  }
  return min
})

/** The messages in the fields of this number. Throws where the bytes are not a message. */
const messages = (bytes: Uint8Array, number: number): ReadonlyArray<Uint8Array> => {
  const reader = new BinaryReader(bytes)
  const found: Array<Uint8Array> = []
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (field === number && type === WireType.LengthDelimited) found.push(reader.bytes())
    else reader.skip(type, field)
  }
  return found
}

const only = <A>(all: ReadonlyArray<A>): A | undefined => (all.length === 1 ? all[0] : undefined)
