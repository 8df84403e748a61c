/**
 * What a row of `history_tree` holds: Temporal's message `HistoryTreeInfo`, so that either can read the other's trees.
 *
 *     HistoryTreeInfo    { HistoryBranch branch_info = 1; google.protobuf.Timestamp fork_time = 2; string info = 3; }
 *     HistoryBranch      { string tree_id = 1; string branch_id = 2; repeated HistoryBranchRange ancestors = 3; }
 *     HistoryBranchRange { string branch_id = 1; int64 begin_node_id = 2; int64 end_node_id = 3; }
 *     Timestamp          { int64 seconds = 1; int32 nanos = 2; }
 */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DataBlob } from "../../DataBlob.ts"
import { BranchInfo, type BranchRange, type HistoryBranch } from "../../HistoryBranch.ts"
import { MalformedRow } from "../../PersistenceError.ts"
import * as Row from "../page/row.ts"

/** Encodes a branch for its row. */
export const encode = ({ branch, forkTime, info }: BranchInfo): DataBlob => {
  const writer = new BinaryWriter()
  message(writer, 1, () => writeBranch(writer, branch))
  if (forkTime !== undefined) message(writer, 2, () => writeTime(writer, DateTime.toEpochMillis(forkTime)))
  text(writer, 3, info)
  return { data: writer.finish(), encoding: "Proto3" }
}

/** Decodes a row's data, or says what is wrong with it. */
export const decode = (blob: DataBlob, place: Row.Place): Effect.Effect<BranchInfo, MalformedRow> =>
  blob.encoding === "Proto3"
    ? Effect.flatMap(
        Effect.mapError(
          Effect.try(() => readInfo(new BinaryReader(blob.data))),
          () => malformed(place, "data is not a HistoryTreeInfo message")
        ),
        (info) => Row.decode(Decoded, info, place)
      )
    : Effect.fail(malformed(place, `data_encoding is ${blob.encoding}; a tree's rows are Proto3`))

const Decoded = Schema.toType(BranchInfo)

const malformed = (place: Row.Place, reason: string) =>
  new MalformedRow({ table: place.table, key: Row.describe(place), reason })

const message = (writer: BinaryWriter, field: number, write: () => void): void => {
  writer.tag(field, WireType.LengthDelimited).fork()
  write()
  writer.join()
}

/** A field that has its default value is left out, as Proto3 does. */
const text = (writer: BinaryWriter, field: number, value: string): void => {
  if (value !== "") writer.tag(field, WireType.LengthDelimited).string(value)
}

const integer = (writer: BinaryWriter, field: number, value: bigint): void => {
  if (value !== 0n) writer.tag(field, WireType.Varint).int64(value)
}

const writeBranch = (writer: BinaryWriter, branch: HistoryBranch): void => {
  text(writer, 1, branch.treeId)
  text(writer, 2, branch.branchId)
  for (const range of branch.ancestors) message(writer, 3, () => writeRange(writer, range))
}

const writeRange = (writer: BinaryWriter, range: BranchRange): void => {
  text(writer, 1, range.branchId)
  integer(writer, 2, range.beginNodeId)
  integer(writer, 3, range.endNodeId)
}

const writeTime = (writer: BinaryWriter, millis: number): void => {
  const seconds = Math.floor(millis / 1000)
  integer(writer, 1, BigInt(seconds))
  integer(writer, 2, BigInt(millis - seconds * 1000) * 1_000_000n)
}

/** Calls the field's reader for each field that has one, and passes over the others. */
const fields = (reader: BinaryReader, readers: Readonly<Record<number, () => void>>): void => {
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    const read = readers[field]
    if (read === undefined) reader.skip(type, field)
    else read()
  }
}

const nested = (reader: BinaryReader): BinaryReader => new BinaryReader(reader.bytes())

const readInfo = (reader: BinaryReader) => {
  const info = { branch: {}, forkTime: undefined as DateTime.Utc | undefined, info: "" }
  fields(reader, {
    1: () => {
      info.branch = readBranch(nested(reader))
    },
    2: () => {
      info.forkTime = readTime(nested(reader))
    },
    3: () => {
      info.info = reader.string()
    }
  })
  return info
}

const readBranch = (reader: BinaryReader) => {
  const ancestors: Array<unknown> = []
  const branch = { treeId: "", branchId: "", ancestors }
  fields(reader, {
    1: () => {
      branch.treeId = reader.string()
    },
    2: () => {
      branch.branchId = reader.string()
    },
    3: () => {
      ancestors.push(readRange(nested(reader)))
    }
  })
  return branch
}

const readRange = (reader: BinaryReader) => {
  const range = { branchId: "", beginNodeId: 0n, endNodeId: 0n }
  fields(reader, {
    1: () => {
      range.branchId = reader.string()
    },
    2: () => {
      range.beginNodeId = BigInt(reader.int64())
    },
    3: () => {
      range.endNodeId = BigInt(reader.int64())
    }
  })
  return range
}

const readTime = (reader: BinaryReader): DateTime.Utc => {
  let millis = 0
  fields(reader, {
    1: () => {
      millis += Number(reader.int64()) * 1000
    },
    2: () => {
      millis += Math.trunc(reader.int32() / 1_000_000)
    }
  })
  return DateTime.makeUnsafe(millis)
}
