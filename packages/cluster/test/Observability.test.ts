/**
 * What operators of a cluster rely on: every metric moves in a real run, the page says what there is, and the dashboard
 * and the alerts ask for nothing else.
 */
import { ClusterMetrics } from "@effect-dsql/cluster"
import { assert } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { documented, expected, families, holds, load, reads, unbegun } from "../../../test/observability.ts"
import { describeCluster, exit, prefix, process, request, requestIn, rows, shard } from "./support/cluster.ts"

const { dashboard, expressions, rules } = load("cluster-dashboard.json", "cluster-alerts.yaml")

/** A runner loses a shard to another one, and answers too late. */
const lostShard = Effect.gen(function* () {
  const options = { prefix: prefix(), shardingConfig: { shardLockExpiration: "1 hour" } } as const
  const [one, other] = [yield* process(options), yield* process(options)]
  yield* one.runners.acquire(one.address, [shard(1), shard(2), shard(3)])
  yield* one.runners.release(one.address, shard(2))
  yield* one.runners.refresh(one.address, [shard(1), shard(3)])
  yield* one.messages.saveRequest(request())
  const sent = request()
  yield* one.messages.saveRequest(sent)
  yield* rows(
    `UPDATE cluster_inbox SET since = since - interval '5 seconds' WHERE shard_id = '${one.holding.prefix}/default:1' RETURNING 1`
  )
  const incoming = requestIn(yield* one.messages.unprocessedMessages([shard()]))
  yield* rows("UPDATE cluster_shards SET expires_at = now() - interval '1 second' WHERE owner IS NOT NULL RETURNING 1")
  yield* other.runners.acquire(other.address, [shard(1), shard(2)])
  yield* Effect.flip(incoming.respond(exit(sent)))
  yield* one.runners.refresh(one.address, [shard(1), shard(3)])
  return one.holding.prefix
})

/** What a run of its own has moved. */
const measured = Effect.gen(function* () {
  const cluster = yield* lostShard
  return { cluster, snapshot: yield* Metric.snapshot, scraped: yield* PrometheusMetrics.format() }
}).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))

describeCluster("Metrics of a cluster", (it) => {
  it.effect("say what was held, taken, lost, polled and refused", () =>
    Effect.gen(function* () {
      const { cluster, snapshot } = yield* measured
      const found = new Map(
        snapshot.flatMap(({ attributes = {}, id, state }) => {
          if (!id.startsWith("dsql_cluster_")) return []
          assert.deepStrictEqual(attributes, { cluster })
          return "value" in state ? [[id, state.value] as const] : "count" in state ? [[id, state.count] as const] : []
        })
      )
      assert.deepStrictEqual(
        [...found.keys()].toSorted(),
        ClusterMetrics.catalogue.map(({ metric }) => metric.id).toSorted()
      )
      const values = Object.fromEntries(found)
      assert.deepInclude(values, {
        dsql_cluster_shards_held: 1,
        dsql_cluster_takeovers_total: 1,
        dsql_cluster_shards_lost_total: 1,
        dsql_cluster_lease: 3_600_000,
        dsql_cluster_messages_total: 2,
        dsql_cluster_stale_replies_total: 1
      })
      const [left = 0, oldest = 0] = [values["dsql_cluster_lease_left"], values["dsql_cluster_oldest_message"]].map(
        Number
      )
      assert.isTrue(left > 3_500_000 && left < 3_600_000, `${left} ms are left`)
      assert.isTrue(oldest >= 5_000 && oldest < 65_000, `${oldest} ms`)
      assert.isTrue(Math.abs(Number(values["dsql_cluster_last_poll"]) - Date.now() / 1_000) < 60)
    })
  )

  it.effect("are what the dashboard and the alerts ask for", () =>
    Effect.gen(function* () {
      const shown = families((yield* measured).scraped)
      for (const [, expression, said] of expressions) holds(shown, expression, said)
      for (const { metric } of ClusterMetrics.catalogue) {
        const isShown = ({ targets = [] }: (typeof dashboard.panels)[number]) =>
          targets.some(({ expr }) => reads(expr.replaceAll("$__rate_interval", "5m"), metric.id))
        assert.isTrue(dashboard.panels.some(isShown), `no panel shows ${metric.id}`)
      }
      for (const { annotations } of rules) assert.isNotEmpty(annotations.action)
      const lists = dashboard.templating.list.filter(({ name }) => name !== "datasource")
      assert.deepStrictEqual(
        lists.map(({ query }) => query),
        ["label_values(dsql_cluster_last_poll, cluster)"]
      )
    })
  )

  it("are read by alerts that see the first of each, and no runner as if it were still at work", () => {
    assert.deepStrictEqual(
      rules.flatMap(({ expr }) => unbegun(expr)),
      []
    )
    // Where all are gone, nobody shows anything.
    const polled = rules.filter(({ expr }) => reads(expr, ClusterMetrics.messages.polled.metric.id))
    assert.isNotEmpty(polled)
    for (const { expr } of polled) assert.include(expr, "max_over_time(dsql_cluster_last_poll[")
    // Who has no shard any more shows what it measured last.
    for (const { metric } of [ClusterMetrics.messages.oldest, ClusterMetrics.shards.leaseLeft]) {
      for (const [of, expression] of expressions.filter(([, each]) => reads(each, metric.id))) {
        assert.include(expression, " and dsql_cluster_shards_held > 0)", of)
      }
    }
  })

  it("have a page that says just this, and which alerts read it", () => {
    assert.deepStrictEqual(
      documented((line) => line.startsWith("| `dsql_cluster_")),
      expected(ClusterMetrics.catalogue, rules)
    )
  })
})
