/**
 * What `doctor` says of a running process, by its metrics.
 */
import { Json } from "@effect-dsql/cli"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { addressOf, scrape } from "../src/internal/running/scrape.ts"
import { cluster } from "./support/cluster.ts"
import { environment } from "./support/process.ts"
import { call } from "./support/program.ts"

/** Serves HTTP until the scope closes, and gives the address of the metrics. */
const serving = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = createServer(listener)
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          server.close()
          server.closeAllConnections()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}/metrics`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const page = (text: string, status = 200) => serving((_, response) => response.writeHead(status).end(text))

/** What `doctor` says of a process that shows this, by check. */
const asked = (text: string) =>
  Effect.gen(function* () {
    const { url } = yield* page(text)
    const { code, stderr, stdout } = yield* call(["doctor", "--metrics", url, "--format", "json"])
    assert.strictEqual(stderr, "")
    const { checks, target } = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Json.Diagnosis))(stdout)
    assert.strictEqual(target, url)
    return { code, of: (check: string) => checks.find((each) => each.check === check) }
  })

const pool = `dsql_pool_max_open{pool="orders"} 10
dsql_pool_in_use{pool="orders"} 3
dsql_pool_waiting{pool="orders"} 0
`

/** What a process shows, the check that sees it, and what it says. */
const seen: ReadonlyArray<readonly [shown: string, check: string, found: string, advice: string]> = [
  [
    `dsql_tx_latency_count{operation="Add"} 20\ndsql_tx_retry_total{operation="Add",attempt="2"} 15`,
    "attempts",
    "1.75 for each commit: 35 attempts, 20 commits; attempts for each transaction of Add 1.8",
    "GroupCommit"
  ],
  [
    `dsql_key_attempt_total{key_class="accounts"} 100\ndsql_key_conflict_total{key_class="accounts"} 30`,
    "conflicts",
    "accounts 30 % of 100",
    "Transaction.hottest"
  ],
  [`dsql_key_refused_total{key_class="accounts"} 2`, "keys", "accounts 2", "split the row"],
  [
    `dsql_key_wait_sum{key_class="accounts"} 4000\ndsql_key_wait_count{key_class="accounts"} 2`,
    "keys",
    "accounts 2 s, 2 times",
    "Transaction.hottest"
  ],
  [`dsql_tx_exhausted_total{operation="Add"} 3`, "retries", "Add 3", "longer policy"],
  [`dsql_tx_retry_quota_exhausted_total{operation="Add"} 3`, "quota", "Add 3", "retryQuota"],
  [
    `dsql_tx_error_class_total{operation="Add",error_class="CommitOutcomeUnknown"} 1`,
    "outcomes",
    "CommitOutcomeUnknown 1",
    "verify"
  ],
  [
    `dsql_pool_max_open{pool="a"} 2\ndsql_pool_in_use{pool="a"} 2\ndsql_pool_waiting{pool="a"} 7`,
    "pool",
    "a 2 of 2 in use, 7 wait now",
    "maxConnections"
  ],
  [
    `dsql_pool_connect_failures_total{pool="a",error_class="ConnectionThrottled"} 31`,
    "connecting",
    "ConnectionThrottled 31",
    "connectRate"
  ],
  [
    `dsql_pool_refused_total{pool="a",error_class="ConnectionUnavailable.busy"} 4`,
    "connecting",
    "ConnectionUnavailable.busy 4",
    "docs/errors.md"
  ],
  [
    `dsql_token_refresh_failures_total{step="CredentialsProviderError"} 1`,
    "tokens",
    "CredentialsProviderError 1",
    "step"
  ],
  [`dsql_token_refused_total 2`, "tokens", "2 refused", "clock"],
  [
    `dsql_budget_limit 100\ndsql_budget_leased 95`,
    "budget",
    "95 of 100 leased by this process, 95 %",
    "maxConnections"
  ],
  [
    `dsql_budget_limit 100\ndsql_budget_leased 5\ndsql_budget_renew_failures_total 1`,
    "budget",
    "1 heartbeats",
    "the budget's own pool"
  ],
  [
    `dsql_cluster_shards_held{cluster="o"} 75\ndsql_cluster_oldest_message{cluster="o"} 120000`,
    "cluster",
    "o holds 75 shards, the oldest message was due for 120 s",
    "start more runners"
  ],
  [
    `dsql_cluster_shards_held{cluster="o"} 75\ndsql_cluster_last_poll{cluster="o"} 1000000000`,
    "cluster",
    "not read for more than 60 s",
    "cluster status"
  ],
  [
    `dsql_cluster_shards_held{cluster="o"} 75\ndsql_cluster_lease{cluster="o"} 1000\ndsql_cluster_lease_left{cluster="o"} 200`,
    "cluster",
    "20 % of a lease left",
    "shardLockExpiration"
  ]
]

describe("doctor --metrics", () => {
  it.live("expects nothing of a runner that holds no shard", () =>
    Effect.gen(function* () {
      const cluster = '{cluster="o"}'
      const { code, of } = yield* asked(
        `dsql_cluster_shards_held${cluster} 0
dsql_cluster_last_poll${cluster} 1000000000
dsql_cluster_oldest_message${cluster} 120000
dsql_cluster_lease${cluster} 1000
dsql_cluster_lease_left${cluster} 200`
      )
      assert.deepStrictEqual([code, of("cluster")?.result], [0, "ok"])
    })
  )

  it.live("moves no terminal by what a process shows", () =>
    Effect.gen(function* () {
      const { url } = yield* page('dsql_cluster_shards_held{cluster="o\u001b[2J\\nred"} 3')
      const { code, stdout } = yield* call(["doctor", "--metrics", url])
      assert.strictEqual(code, 0)
      assert.include(stdout, String.raw`o\u001b[2J\u000ared holds 3 shards`)
    })
  )

  it.live("says what a process has met that contends for a row, and what to do", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* cluster
      yield* rows("CREATE TABLE hot (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
      yield* rows("INSERT INTO hot VALUES (1, 0)")
      const at = `postgres://${env["SQL_USER"]}@${env["SQL_HOST"]}:${env["SQL_PORT"]}/${env["SQL_DATABASE"]}`
      const script = fileURLToPath(new URL("support/metered.ts", import.meta.url))
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, [script], {
            env: environment({ METERED_URL: at }),
            stdio: ["ignore", "pipe", "inherit"]
          })
        ),
        (child) => Effect.sync(() => child.kill())
      )
      const [url] = yield* Effect.promise(() => once(createInterface(child.stdout), "line"))
      const { code, stderr, stdout } = yield* call(["doctor", "--metrics", String(url)])
      assert.deepStrictEqual([code, stderr], [1, ""])
      const lines = stdout.trimEnd().split("\n")
      assert.lengthOf(lines, 11)
      assert.match(
        lines[0] ?? "",
        /^failed +attempts +[1-9][\d.]+ for each commit: \d+ attempts, 45 commits; .*Unnamed \d/
      )
      assert.match(lines[1] ?? "", /conflicts +hot \d+ % of \d+/)
      assert.match(lines[2] ?? "", / keys +(long waits: )?hot [\d.]+ m?s, \d+ times/)
      assert.match(lines[6] ?? "", / pool +metered 0 of 20 in use, 0 wait now/)
      assert.match(lines[7] ?? "", /^ok +connecting +\d+ opened, 0 lost$/)
    })
  )

  it.live.each(seen)("sees %j", ([shown, check, found, advice]) =>
    Effect.gen(function* () {
      const { code, of } = yield* asked(`# HELP dsql a metric\n${shown}\n`)
      const said = of(check)
      assert.deepStrictEqual([code, said?.result], [1, "failed"])
      assert.include(said?.found, found)
      assert.include(said?.advice, advice)
    })
  )

  it.live("finds nothing in a process that has met nothing", () =>
    Effect.gen(function* () {
      const { code, of } = yield* asked(
        `${pool}dsql_tx_latency_bucket{operation="Read",le="+Inf"} 4\ndsql_tx_latency_count{operation="Read"} 4 1790000000000\nother{a="}\\"\\\\ ",b="x"} NaN\n`
      )
      assert.strictEqual(code, 0)
      assert.strictEqual(of("attempts")?.found, "1.00 for each commit: 4 attempts, 4 commits")
      assert.strictEqual(of("pool")?.found, "orders 3 of 10 in use, 0 wait now")
      assert.strictEqual(of("cluster")?.result, "skipped")
    })
  )

  it.live.each([
    ["orders:9464", 2, '--metrics cannot be "orders:9464": give an address such as http://'],
    ["metrics", 2, '--metrics cannot be "metrics"'],
    ["http://user:hunter2@127.0.0.1/metrics", 2, "--metrics has a user or password in it"],
    ["http://127.0.0.1:1/metrics", 3, "http://127.0.0.1:1/metrics does not answer: "]
  ] as const)("says in one line what is wrong with %s", ([url, code, says]) => refused(["--metrics", url], code, says))

  it.live.each([
    ["<html></html>", 200, 2, 'shows no metrics, line 1 is "<html></html>"'],
    ["up 1\n", 200, 2, "shows no metrics of effect-dsql"],
    ["", 200, 2, "shows no metrics of effect-dsql"],
    ["broken", 500, 3, "answers with 500"],
    [pool, 404, 3, "answers with 404"]
  ] as const)("says in one line what is wrong with a page of %j and status %s", ([text, status, code, says]) =>
    Effect.flatMap(page(text, status), ({ url }) => refused(["--metrics", url], code, says))
  )

  it.live("connects to no database", () =>
    refused(["--metrics", "http://127.0.0.1:1/metrics", "--endpoint", "localhost"], 2, "leave --endpoint out")
  )

  it.effect("waits for a process that hangs, and no longer than ten seconds", () =>
    Effect.gen(function* () {
      const { promise, resolve } = Promise.withResolvers<void>()
      const { url } = yield* serving((_, response) => {
        response.writeHead(200).write(pool)
        resolve()
      })
      const fiber = yield* Effect.forkChild(Effect.flip(Effect.flatMap(addressOf(url), scrape)))
      yield* Effect.promise(() => promise)
      yield* TestClock.adjust("10 seconds")
      const { message } = yield* Fiber.join(fiber)
      assert.include(message, `${url} does not answer within 10 seconds`)
    })
  )
})

const refused = (args: ReadonlyArray<string>, code: number, says: string) =>
  Effect.gen(function* () {
    const ended = yield* call(["doctor", ...args])
    assert.deepStrictEqual([ended.code, ended.stdout], [code, ""])
    assert.include(ended.stderr, says)
    assert.notInclude(ended.stderr, "hunter2")
    assert.strictEqual(ended.stderr.trimEnd().split("\n").length, 1)
  })
