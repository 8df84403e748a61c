/**
 * What runners and those who asked them left in the database: the journal, and the requests with their exits.
 */
import { DsqlClient } from "@effect-dsql/core"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { host } from "./Settings.ts"

/** A line of a shard's journal; the lines of a shard are in the order of their numbers. */
export interface Line {
  readonly shard: string
  readonly number: bigint
  readonly op: string
  readonly step: string
  readonly isDone: boolean
  readonly runner: string
  readonly fence: bigint
}

/** A request as it is stored. */
export interface Request {
  readonly op: string
  /** Its exits, of which the last one stands. */
  readonly exits: number
  /** What the exit says; undefined where it is none of a success, or where there is none. */
  readonly number: bigint | undefined
  /** The exit as it is stored. */
  readonly exit: string | undefined
}

export interface Kept {
  readonly lines: ReadonlyArray<Line>
  readonly requests: ReadonlyArray<Request>
  /** What has not come to its end, requests that workflows made for themselves included. */
  readonly waiting: ReadonlyArray<string>
  /** The fence that each shard has. */
  readonly fences: ReadonlyMap<string, bigint>
}

const Success = <S extends Schema.Constraint>(value: S) => Schema.Struct({ _tag: Schema.tag("Success"), value })

const Answer = Success(Schema.BigIntFromString)

/** What a desk says, and what a run says that has come to its end. */
const Exit = Schema.fromJsonString(Schema.Union([Answer, Success(Schema.Struct({ exit: Answer }))]))

const decodeExit = Schema.decodeUnknownOption(Exit)

const numberIn = (exit: string | null): bigint | undefined => {
  const decoded = Option.getOrUndefined(decodeExit(exit))?.value
  return typeof decoded === "object" ? decoded.exit.value : decoded
}

const Payload = Schema.fromJsonString(Schema.Struct({ op: Schema.String }))

const decodePayload = Schema.decodeUnknownSync(Payload)

/** What waits: requests without an end, runs that are to go on, and whatever is left in an inbox. */
export const waiting = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  const rows = yield* sql<{ what: string }>`
    SELECT tag || ' of ' || entity_type || ' ' || entity_id || ' on ' || shard_id || ', request ' || id AS what
    FROM cluster_requests AS request
    WHERE finished_at IS NULL OR suspended
      OR EXISTS (SELECT 1 FROM cluster_inbox AS inbox WHERE inbox.request_key = request.request_key)`
  return rows.map(({ what }) => what)
})

/** Looks until it is so, in any weather. */
const until = <E, R>(isSo: Effect.Effect<boolean, E, R>): Effect.Effect<void, never, R> =>
  isSo.pipe(
    Effect.orElseSucceed(() => false),
    Effect.repeat({ until: (so) => so, schedule: Schedule.spaced("50 millis") }),
    Effect.asVoid
  )

/** Waits until others have each shard that the runner at a port had. */
export const isTaken = (port: string) =>
  until(
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      const held = yield* sql`
        SELECT 1 FROM cluster_shards WHERE owner IS NOT NULL AND address = ${`${host}:${port}`} LIMIT 1`
      return held.length === 0
    })
  )

/** Waits until a step is done. */
export const isDone = (op: string, step: string) =>
  until(
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      const done = yield* sql`SELECT 1 FROM storm_journal WHERE op = ${op} AND step = ${step} AND is_done LIMIT 1`
      return done.length > 0
    })
  )

export const read = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  const lines = yield* sql<Line>`
    SELECT shard_id AS shard, number, op, step, is_done AS "isDone", runner, fence
    FROM storm_journal ORDER BY shard_id, number`
  const requests = yield* sql<{ payload: string; exits: bigint; exit: string | null }>`
    SELECT request.payload, last.payload AS exit, (
      SELECT count(*) FROM cluster_replies AS reply WHERE reply.request_key = request.request_key) AS exits
    FROM cluster_requests AS request LEFT JOIN cluster_replies AS last
      ON last.request_key = request.request_key AND last.id = request.last_reply_id
    WHERE (request.entity_type, request.tag) IN (('Desk', 'Stamp'), ('Workflow/Delivery', 'run'))`
  const shards = yield* sql<{ shard_id: string; fence: bigint }>`SELECT shard_id, fence FROM cluster_shards`
  const kept: Kept = {
    lines,
    requests: requests.map(({ exit, exits, payload }) => ({
      op: decodePayload(payload).op,
      exits: Number(exits),
      number: numberIn(exit),
      exit: exit ?? undefined
    })),
    waiting: yield* waiting,
    fences: new Map(shards.map(({ fence, shard_id }) => [shard_id, fence]))
  }
  return kept
})
