/**
 * What a row of `history_tree` holds: Temporal's message `HistoryTreeInfo`, so that either can read the other's trees.
 *
 *     HistoryTreeInfo { HistoryBranch branch_info = 1; google.protobuf.Timestamp fork_time = 2; string info = 3; }
 *     Timestamp       { int64 seconds = 1; int32 nanos = 2; }
 */
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DataBlob } from "../../DataBlob.ts"
import { BranchInfo } from "../../HistoryBranch.ts"
import { MalformedRow } from "../../PersistenceError.ts"
import * as Row from "../page/row.ts"
import { fields, integer, message, nested, readBranch, text, writeBranch } from "./branchMessage.ts"

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

const writeTime = (writer: BinaryWriter, millis: number): void => {
  const seconds = Math.floor(millis / 1000)
  integer(writer, 1, BigInt(seconds))
  integer(writer, 2, BigInt(millis - seconds * 1000) * 1_000_000n)
}

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
