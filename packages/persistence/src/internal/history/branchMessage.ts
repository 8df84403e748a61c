/**
 * A branch as Temporal's message `HistoryBranch`, by hand: its token is this message, and a row of `history_tree` has it
 * inside.
 *
 *     HistoryBranch      { string tree_id = 1; string branch_id = 2; repeated HistoryBranchRange ancestors = 3; }
 *     HistoryBranchRange { string branch_id = 1; int64 begin_node_id = 2; int64 end_node_id = 3; }
 */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import type { BranchRange, HistoryBranch } from "../../HistoryBranch.ts"

/** A branch as a message of its own. */
export const encode = (branch: HistoryBranch): Uint8Array => {
  const writer = new BinaryWriter()
  writeBranch(writer, branch)
  return writer.finish()
}

/** What a message says of a branch. Throws where the bytes are not a message. */
export const decode = (bytes: Uint8Array): unknown => readBranch(new BinaryReader(bytes))

/** Writes the fields of a branch. */
export const writeBranch = (writer: BinaryWriter, branch: HistoryBranch): void => {
  text(writer, 1, branch.treeId)
  text(writer, 2, branch.branchId)
  for (const range of branch.ancestors) message(writer, 3, () => writeRange(writer, range))
}

const writeRange = (writer: BinaryWriter, range: BranchRange): void => {
  text(writer, 1, range.branchId)
  integer(writer, 2, range.beginNodeId)
  integer(writer, 3, range.endNodeId)
}

/** Reads the fields of a branch; whether they are those of one is for a schema to say. */
export const readBranch = (reader: BinaryReader) => {
  const ancestors: Array<unknown> = []
  const branch = { treeId: "", branchId: "", ancestors }
  fields(reader, {
    1: () => {
      branch.treeId = readId(reader)
    },
    2: () => {
      branch.branchId = readId(reader)
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
      range.branchId = readId(reader)
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

/** An id, in the letters that the tables' columns have it in. */
const readId = (reader: BinaryReader): string => reader.string().toLowerCase()

/** A message in a field of another. */
export const message = (writer: BinaryWriter, field: number, write: () => void): void => {
  writer.tag(field, WireType.LengthDelimited).fork()
  write()
  writer.join()
}

/** A field that has its default value is left out, as Proto3 does. */
export const text = (writer: BinaryWriter, field: number, value: string): void => {
  if (value !== "") writer.tag(field, WireType.LengthDelimited).string(value)
}

/** The same of a number of 64 bits. */
export const integer = (writer: BinaryWriter, field: number, value: bigint): void => {
  if (value !== 0n) writer.tag(field, WireType.Varint).int64(value)
}

/** Calls the field's reader for each field that has one, and passes over the others. */
export const fields = (reader: BinaryReader, readers: Readonly<Record<number, () => void>>): void => {
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    const read = readers[field]
    if (read === undefined) reader.skip(type, field)
    else read()
  }
}

/** The message in a field. */
export const nested = (reader: BinaryReader): BinaryReader => new BinaryReader(reader.bytes())
