/**
 * Messages of the Go system that its rows hold, written and read by a library of their own.
 */
import protobuf from "protobufjs"

const { root } = protobuf.parse(`
  syntax = "proto3";
  message Timestamp { int64 seconds = 1; int32 nanos = 2; }
  message BranchRange { string branch_id = 1; int64 begin_node_id = 2; int64 end_node_id = 3; }
  message Branch { string tree_id = 1; string branch_id = 2; repeated BranchRange ancestors = 3; }
  message TreeInfo { Branch branch_info = 1; Timestamp fork_time = 2; string info = 3; bytes branch_token = 4; }
  message QueuePartition { int64 min_message_id = 1; }
  message Queue { map<int32, QueuePartition> partitions = 1; }
  message TaskQueueInfo { string namespace_id = 1; string name = 2; int32 task_type = 3; }
  message Event { int64 event_id = 1; }
  message History { repeated Event events = 1; }
`)

export type Name = "Branch" | "History" | "Queue" | "TaskQueueInfo" | "TreeInfo"

export const encode = (name: Name, message: Readonly<Record<string, unknown>>): Uint8Array => {
  const type = root.lookupType(name)
  return Uint8Array.from(type.encode(type.fromObject(message)).finish())
}

/** The fields that are there, numbers of 64 bits as text. */
export const decode = (name: Name, bytes: Uint8Array): Readonly<Record<string, unknown>> => {
  const type = root.lookupType(name)
  return type.toObject(type.decode(bytes), { longs: String, bytes: String })
}
