/**
 * Columns that may be NULL by the schema, and are not, because Temporal reads them into what cannot be: a string, a
 * number, a time. What it reads into bytes or a pointer may be.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Archetype, ClusterMembers, Executions, Identifiers } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { chasm, created, noParts, parts, place, refused, snapshot, standing } from "./support/executions.ts"
import { describeAlone, describeStores } from "./support/persistence.ts"
import { blob, heartbeat } from "./support/rows.ts"

/** By table, the columns that Temporal reads into what can be nothing: `[]byte` and `*time.Time`. */
const mayBeNull = {
  activity_info_maps: [],
  chasm_node_maps: ["data"],
  child_execution_info_maps: [],
  cluster_membership: [],
  current_chasm_executions: ["data", "start_time"],
  current_executions: ["data", "start_time"],
  request_cancel_info_maps: [],
  signal_info_maps: [],
  timer_info_maps: []
} as const

const nullable = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  const rows = yield* sql<{ readonly table: keyof typeof mayBeNull; readonly column: string }>`
    SELECT table_name AS table, column_name AS column FROM information_schema.columns
    WHERE table_schema = 'public' AND is_nullable = 'YES' AND table_name NOT LIKE 'schema\\_%'
    ORDER BY table_name, column_name`
  return Map.groupBy(rows, ({ table }) => table)
})

/** Rows of all these tables that leave out whatever can be left out. */
const least = Effect.gen(function* () {
  const members = yield* ClusterMembers.ClusterMembers
  const executions = yield* Executions.Executions
  yield* members.upsert(heartbeat())
  for (const archetype of [Archetype.workflow, chasm]) {
    const at = yield* place(archetype)
    const run = yield* created(at, { ...parts(2), standing: { ...standing(), startTime: undefined } })
    const read = yield* executions.get({ ...at, runId: run.runId })
    assert.deepStrictEqual(read.chasmNodes, run.chasmNodes)
  }
})

describeStores("Of the tables that Temporal reads", (it) => {
  it.effect("those that may have NULLs are known", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual([...(yield* nullable).keys()], Object.keys(mayBeNull))
    })
  )

  for (const [table, allowed] of Object.entries(mayBeNull)) {
    it.effect(`${table} has no NULL that Temporal cannot read`, () =>
      Effect.gen(function* () {
        yield* least
        const { sql } = yield* DsqlClient.DsqlClient
        const columns = ((yield* nullable).get(table as keyof typeof mayBeNull) ?? []).map(({ column }) => column)
        const never = columns.filter((column) => !allowed.some((each) => each === column))
        const rows = yield* sql<Readonly<Record<string, unknown>>>`
          SELECT ${sql.csv(["1", ...never.map((column) => `"${column}"`)])} FROM ${sql(table)}`
        assert.isNotEmpty(rows)
        for (const row of rows) assert.notInclude(Object.values(row), null)
      })
    )
  }

  it.effect("chasm_node_maps is read as an earlier version wrote a node without data", () =>
    Effect.gen(function* () {
      const executions = yield* Executions.Executions
      const at = yield* place(chasm)
      const run = yield* created(at, parts(2))
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`UPDATE chasm_node_maps SET data_encoding = NULL WHERE shard_id = ${at.shardId} AND data IS NULL`
      assert.deepStrictEqual((yield* executions.get({ ...at, runId: run.runId })).chasmNodes, run.chasmNodes)
    })
  )
})

describeAlone("In a database that the earlier system made", (it) => {
  it.effect("a CHASM path of 255 characters is kept, and a longer one is refused with its run", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`DROP TABLE chasm_node_maps`
      yield* sql`CREATE TABLE chasm_node_maps (
        shard_id INTEGER NOT NULL, namespace_id UUID NOT NULL, workflow_id VARCHAR(255) NOT NULL, run_id UUID NOT NULL,
        chasm_path VARCHAR(255) NOT NULL, metadata BYTEA NOT NULL, metadata_encoding VARCHAR(16),
        data BYTEA, data_encoding VARCHAR(16),
        PRIMARY KEY (shard_id, namespace_id, workflow_id, run_id, chasm_path))`
      const executions = yield* Executions.Executions
      const at = yield* place(chasm)
      const create = (characters: number) => {
        const chasmNodes = new Map([[Identifiers.ChasmPath.make("é".repeat(characters)), { metadata: blob() }]])
        const run = snapshot({ ...noParts, tasks: [], chasmNodes })
        return Effect.as(executions.create(at, { _tag: "BrandNew" }, run), run)
      }
      const long = yield* refused(at, create(256))
      assert.include(long, { _tag: "LimitExceeded", limit: "column_characters" } as const)
      const run = yield* create(255)
      assert.deepStrictEqual((yield* executions.get({ ...at, runId: run.runId })).chasmNodes, run.chasmNodes)
    })
  )
})
