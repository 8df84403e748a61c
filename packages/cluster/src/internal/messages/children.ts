/**
 * Workflows that another one has begun: it asks for their ends whenever it goes on, from its beginning. So they are kept
 * for as long as it may go on.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { keyHash } from "../keys.ts"
import type { Row } from "../storing.ts"

const { sql, value, values } = Expression

/** Where Effect's engine says in a run's payload who began it. */
const parent = "~effect/cluster/ClusterWorkflowEngine/payloadParentKey"

const Payload = Schema.fromJsonString(
  Schema.Struct({ [parent]: Schema.Struct({ workflowName: Schema.String, executionId: Schema.String }) })
)

const decode = Schema.decodeUnknownOption(Payload)

/** Of these requests those that are of a child, with what its run was given. */
const ofChildren = (keys: ReadonlyArray<bigint>) => sql`
  SELECT request.request_key, run.payload
  FROM cluster_requests AS request JOIN cluster_requests AS run
    ON run.shard_id = request.shard_id AND run.entity_type = request.entity_type AND run.entity_id = request.entity_id
  WHERE request.request_key = ANY (${values("bigint", keys)}) AND starts_with(request.entity_type, 'Workflow/')
    AND run.tag = 'run' AND strpos(run.payload, ${value("text", parent)}) > 0`

/** Of these runs, by the hashes of their keys, those that may go on. */
const waiting = (hashes: ReadonlyArray<string>) => sql`
  SELECT known.key_hash
  FROM cluster_keys AS known JOIN cluster_requests AS run ON run.request_key = known.request_key
  WHERE known.key_hash = ANY (${values("uuid", hashes)}) AND (run.finished_at IS NULL OR run.suspended)`

const read = (statement: Expression.Expression): Effect.Effect<ReadonlyArray<Row>, TransactionError, DsqlClient> =>
  Transaction.autocommit(
    Effect.flatMap(Transaction.sql, (sql) => sql<Row>`${Expression.fragment(sql, statement)}`),
    { operation: "ReadParents", readOnly: "proven" }
  )

/** These requests without those of a child whose parent may go on. */
export const unasked = Effect.fnUntraced(function* (cluster: string, keys: ReadonlyArray<bigint>) {
  const children = (yield* read(ofChildren(keys))).flatMap((row) => {
    const found = decode(row["payload"])
    if (found._tag === "None") return []
    const { executionId, workflowName } = found.value[parent]
    // A run's primary key, as Effect composes it.
    const hash = keyHash(cluster, `Workflow/${workflowName}/${executionId}/run/`)
    // A BIGINT comes as a bigint.
    return [{ key: row["request_key"] as bigint, hash }]
  })
  if (children.length === 0) return keys
  const parents = yield* read(waiting([...new Set(children.map(({ hash }) => hash))]))
  const asking = new Set(parents.map(({ key_hash }) => String(key_hash)))
  const kept = new Set(children.flatMap(({ hash, key }) => (asking.has(hash) ? [key] : [])))
  return keys.filter((key) => !kept.has(key))
})
