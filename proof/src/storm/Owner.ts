/**
 * Takes shards, and writes below them until somebody else takes them: notes in a journal, and steps of workflows.
 */
import { Transaction } from "@effect-dsql/core"
import { Identifiers, Shards } from "@effect-dsql/persistence"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { Mark } from "./Json.ts"
import { Scribe } from "./Scribe.ts"
import { ids, type IsOver, repeated } from "./Tenure.ts"
import * as Workflow from "./Workflow.ts"

export interface Settings {
  readonly shards: number
  readonly isOver: IsOver
  /** Whether notes are written below the shard. Without, they are what the checks have to find. */
  readonly fenced: boolean
}

/** Owns shards, one after the other. */
export const own = (settings: Settings) => repeated(settings.isOver, tenure(settings))

const tenure = Effect.fnUntraced(function* ({ fenced, isOver, shards }: Settings) {
  const store = yield* Shards.Shards
  const scribe = yield* Scribe
  const shardId = Identifiers.ShardId.make(yield* Random.nextIntBetween(1, shards))
  const op = yield* scribe.op
  // A lost answer is settled by what is stored, so what is stored names who stored it.
  const info = Mark.encode({ op })
  const found = yield* store.getOrCreate(shardId, () => ({ rangeId: 0n, info }))
  const rangeId = found.rangeId + 1n
  const taken = store.update({ shardId, rangeId, info }, found.rangeId)
  yield* scribe.attempt(op, { _tag: "Takeover", shardId, rangeId }, taken)
  const id = ids(rangeId)
  const writes = yield* Random.nextIntBetween(5, 60)
  for (let n = 0; n < writes && !(yield* isOver); n++) {
    yield* (yield* Random.nextBoolean) ? note(shardId, rangeId, fenced) : Workflow.step(shardId, rangeId, id)
  }
})

/** Adds a line to the shard's journal: a table that has no other use here, whose lines are numbered from 1. */
const note = Effect.fnUntraced(function* (shardId: Identifiers.ShardId, rangeId: bigint, fenced: boolean) {
  const shards = yield* Shards.Shards
  const scribe = yield* Scribe
  const op = yield* scribe.op
  const { data, encoding: data_encoding } = Mark.encode({ op, rangeId })
  const body = Effect.gen(function* () {
    const sql = yield* Transaction.sql
    if (fenced) yield* shards.shared({ shardId, rangeId })
    const [last] = yield* sql<{ readonly id: bigint }>`
      SELECT coalesce(max(task_id), 0) AS id FROM visibility_tasks WHERE shard_id = ${shardId}`
    const line = { shard_id: shardId, task_id: (last?.id ?? 0n) + 1n, data, data_encoding }
    yield* sql`INSERT INTO visibility_tasks ${sql.insert(line)}`
  })
  yield* scribe.attempt(op, { _tag: "Note", shardId, rangeId }, Transaction.run(body, { operation: "Note" }))
})
