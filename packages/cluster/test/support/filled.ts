/**
 * A cluster's tables on plain PostgreSQL, which has no limit to what a transaction writes and says what it reads, with
 * many rows in them.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Quote } from "@effect-dsql/dialect"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { Context, Effect, Layer, Redacted } from "effect"
import * as Filling from "../../../../test/filling.ts"
import * as Plans from "../../../../test/plans.ts"
import { sharedPostgres } from "../../../../test/postgres.ts"

/** Hears what the server does for the client that is provided beside it. */
export class Listener extends Context.Service<Listener, Plans.Listener>()("Listener") {}

/** A database of its own with the tables, and a client whose statements are heard. */
export const Tables = Layer.unwrap(
  Effect.gen(function* () {
    const { url } = yield* Testing.make({ source: SchemaSource.builtIn("dsql/cluster") })
    const beneath = sharedPostgres().url(new URL(Redacted.value(url)).pathname.slice(1))
    // A row that lies elsewhere is no dearer than the next one: neither lies on a disk of this server's.
    const listener = yield* Plans.listen(beneath, "force_custom_plan", { random_page_cost: "1" })
    return Layer.merge(
      Layer.succeed(Listener, listener),
      DsqlClient.layerUrl({ url: listener.url, guarded: "statement" })
    )
  })
)

/** What is in a cluster's tables. */
export interface Filled {
  readonly prefix: string
  /** Shards from 1 on, among which the requests are spread. */
  readonly shards: number
  /** Requests that wait. */
  readonly waiting: number
  /** Requests that were finished an hour ago, each with a key and an exit. */
  readonly finished: number
  /** How many of those there are already. Default: 0. */
  readonly known?: number
}

/** Requests by their numbers, those below 0 finished: ids rise, and keys are anywhere. */
const requestOf = (prefix: string, shards: number, number: string) => ({
  request_key: `hashtextextended(${Quote.literal(prefix)} || ${number}, 0)`,
  id: `10000000 + ${number}`,
  shard_id: `${Quote.literal(`${prefix}/default:`)} || 1 + i % ${shards}`,
  entity_type: "'Test'",
  entity_id: `'e' || ${number}`,
  due_at: "0"
})

/** Fills the tables, of which the server knows nothing until they are analysed. */
export const fill = Effect.fnUntraced(function* ({ finished, known = 0, prefix, shards, waiting }: Filled) {
  const { sql } = yield* DsqlClient.DsqlClient
  const owned = { fence: "1", owner: Filling.uuid, address: "'elsewhere:1'", expires_at: "now() - INTERVAL '1 minute'" }
  const shard_id = `${Quote.literal(`${prefix}/default:`)} || i`
  yield* Filling.fill(sql, { cluster_shards: { shard_id, ...owned } }, 1, shards)

  const said = { tag: "'GetUser'", payload: `'{"id":1}'`, headers: "'{}'", trace_id: "NULL", span_id: "NULL" }
  const { id, request_key, ...place } = requestOf(prefix, shards, "i")
  const undecided = { key_hash: "NULL", last_reply_id: "NULL", finished_at: "NULL" }
  const inInbox = { request_key, request_id: id, id, kind: "0", reply_id: "NULL", since: "now()" }
  yield* Filling.fill(
    sql,
    {
      cluster_requests: { request_key, id, ...place, ...said, ...undecided },
      cluster_inbox: { ...place, ...inInbox }
    },
    1,
    waiting
  )

  const request = requestOf(prefix, shards, "(-i)")
  const key_hash = `md5(${Quote.literal(prefix)} || (-i))::uuid`
  const reply = `${request.id} + 1`
  const decided = { key_hash, last_reply_id: reply, finished_at: "now() - INTERVAL '1 hour'" }
  yield* Filling.fill(
    sql,
    {
      cluster_requests: { ...request, ...said, ...decided },
      cluster_keys: { key_hash, request_id: request.id, request_key: request.request_key },
      cluster_replies: {
        request_key: request.request_key,
        sequence: "2147483647",
        id: reply,
        fence: "1",
        payload: `'{"_tag":"Success","value":1}'`
      }
    },
    known + 1,
    known + finished
  )
})

/** Lets the server count what is in the tables. */
export const analyse = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  for (const table of ["shards", "requests", "inbox", "keys", "replies", "runners"]) {
    yield* sql.unsafe(`VACUUM ANALYZE cluster_${table}`)
  }
})
