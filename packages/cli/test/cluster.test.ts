/**
 * The commands on an Effect Cluster, on tables that its storages would have filled.
 */
import { Json } from "@effect-dsql/cli"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { cluster } from "./support/cluster.ts"
import { start } from "./support/process.ts"
import { call } from "./support/program.ts"

const setup = ["setup-schema", "--schema-name", "dsql/cluster"]

/** A database with the tables of clusters. */
const tables = Effect.gen(function* () {
  const made = yield* cluster
  const { code, stderr } = yield* call(setup, made.env)
  assert.strictEqual(code, 0, stderr)
  return made
})

type Rows = (text: string) => Effect.Effect<ReadonlyArray<unknown>, unknown>

/** A runner of a cluster with three shards, of which the lease of one is over and one was given back. */
const run = (rows: Rows, prefix: string) =>
  Effect.gen(function* () {
    const owner = crypto.randomUUID()
    yield* rows(`INSERT INTO cluster_runners (machine_id, cluster, owner, address, runner, healthy, expires_at)
      VALUES (7, '${prefix}', '${owner}', 'h1:34431', '{}', true, now() + interval '2 hours 1 minute')`)
    yield* rows(`INSERT INTO cluster_shards (shard_id, fence, owner, address, acquired_at, expires_at) VALUES
      ('${prefix}/default:1', 4, '${owner}', 'h1:34431', now(), now() + interval '2 hours 1 minute'),
      ('${prefix}/default:10', 9007199254740993, '${owner}', 'h1:34431', now(), now() + interval '2 hours 1 minute'),
      ('${prefix}/default:2', 1, '${owner}', 'h1:34431', now(), now() + interval '2 hours 1 minute'),
      ('${prefix}/default:3', 8, gen_random_uuid(), 'h0:34431', now(), now() - interval '90 seconds'),
      ('${prefix}/default:4', 3, NULL, 'h0:34431', now(), '-infinity')`)
  })

/** Requests of a cluster that were finished three days ago. */
const finish = (rows: Rows, prefix: string, count: number) =>
  rows(`INSERT INTO cluster_requests
      (request_key, id, shard_id, entity_type, entity_id, tag, payload, headers, due_at, finished_at)
    SELECT n, n, '${prefix}/default:' || n % 2, 'Order', 'o' || n, 'Place', '{}', '{}', 0, now() - interval '3 days'
    FROM generate_series(1, ${count}) AS n`)

const left = (rows: Rows) =>
  Effect.map(rows("SELECT count(*)::int AS left FROM cluster_requests"), ([row]) => (row as { left: number }).left)

const nonsense: ReadonlyArray<readonly [line: string, said: string | RegExp]> = [
  ["status --prefix ordres", 'no runner of a cluster "ordres" has been in this database: give --prefix, one of orders'],
  ["status", 'no runner of a cluster "cluster" has been in this database: give --prefix, one of orders'],
  ["status --prefix a/b", '--prefix "a/b" is no cluster\'s name: give 1 to 100 letters, digits, "_", "-" and "."'],
  [
    "prune --prefix orders --older-than 30y",
    '--older-than "30y" is no time: give a number of minutes, hours or days, such as 90m, 12h or 30d'
  ],
  [
    "prune --prefix orders --older-than 0d",
    '--older-than "0d" is no time: give a number of minutes, hours or days, such as 90m, 12h or 30d'
  ],
  ["prune --prefix orders", "Missing required flag: --older-than: see effect-dsql cluster prune --help"],
  [
    "prune --prefix orders --older-than 1d --batch 301",
    '--batch cannot be "301", expected a value between 1 and 300: see effect-dsql cluster prune --help'
  ],
  [
    "prune --prefix orders --older-than 1d",
    /^error: prune would forget 2 requests of orders, finished before [\dTZ:.-]+, for good: whoever sends one of them again has it run again: add --yes to do it\n$/
  ]
]

describe("cluster", () => {
  it.live.each(["status", "prune --older-than 1d --yes"])("%s says what to run where its tables are missing", (line) =>
    Effect.gen(function* () {
      const { env } = yield* cluster
      const { code, stderr, stdout } = yield* call(["cluster", ...line.split(" ")], env)
      assert.deepStrictEqual([code, stdout], [4, ""])
      assert.strictEqual(
        stderr,
        "error: no schema version is recorded for database dsql/cluster: run setup-schema --schema-name dsql/cluster first\n"
      )
    })
  )

  it.live("status says that nothing runs where nothing has", () =>
    Effect.gen(function* () {
      const { env } = yield* tables
      const { code, stdout } = yield* call(["cluster", "status"], env)
      assert.strictEqual(code, 0)
      for (const line of ["runners: none", "shards: none has been held", "oldest due   none"])
        assert.include(stdout, line)
    })
  )

  it.live("status names who runs, who holds what and for how long, and what is due for longest", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* tables
      yield* run(rows, "orders")
      yield* finish(rows, "orders", 3)
      yield* rows(`INSERT INTO cluster_inbox (shard_id, due_at, request_id, id, kind, request_key, entity_type, entity_id, since)
        VALUES ('orders/default:2', 0, 5, 5, 0, 5, 'Order', 'o5', now() - interval '5 minutes 1 second')`)
      const { code, stdout } = yield* call(["cluster", "status", "--prefix", "orders"], env)
      assert.strictEqual(code, 0)
      for (const line of [
        "machine ids  1 of 1024 leased",
        "requests     1 due, 0 for later, 0 suspended, 3 finished and kept",
        "oldest due   for 5 min: Order o5 on default:2, request 5",
        "  h1:34431  machine id 7  healthy  lease for 2 h",
        "  h1:34431    3 shards  lease for 2 h        default:1-2,10",
        "  h0:34431    1 shard   lease over for 1 min  default:3",
        "  given back  1 shard                         default:4"
      ]) {
        const words = (text: string) => text.replaceAll(/\s+/g, " ").trim()
        assert.include(stdout.split("\n").map(words).join("\n"), words(line))
      }
      const json = yield* call(["cluster", "status", "--prefix", "orders", "--format", "json"], env)
      const value: unknown = JSON.parse(json.stdout)
      const decoded = yield* Schema.decodeUnknownEffect(Json.ClusterStatus)(value, { onExcessProperty: "error" })
      assert.deepStrictEqual(
        decoded.shards.map(({ fence, shard }) => [shard, fence]),
        [
          ["default:1", 4n],
          ["default:10", 9007199254740993n],
          ["default:2", 1n],
          ["default:3", 8n],
          ["default:4", 3n]
        ]
      )
      assert.strictEqual(decoded.oldest?.requestId, 5n)
    })
  )

  it.live("status names the first shards of a holder that has them strewn, and all of them to a program", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* tables
      yield* rows(`INSERT INTO cluster_shards (shard_id, fence, owner, address, acquired_at, expires_at)
        SELECT 'cluster/default:' || n, 1, '${crypto.randomUUID()}', 'h1:34431', now(), now() + interval '1 hour 1 minute'
        FROM generate_series(1, 299, 2) AS n`)
      const { stdout } = yield* call(["cluster", "status"], env)
      assert.include(stdout, "  h1:34431  150 shards  lease for 1 h  default:1,3,5,7,9,11,13,15,17,19,…\n")
      const json = yield* call(["cluster", "status", "--format", "json"], env)
      assert.lengthOf(JSON.parse(json.stdout).shards, 150)
    })
  )

  it.live("status moves no terminal by what a message or a runner is called", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* tables
      yield* rows(String.raw`INSERT INTO cluster_runners (machine_id, cluster, owner, address, runner, healthy, expires_at)
        VALUES (7, 'cluster', gen_random_uuid(), E'h\u001b[2J:1', '{}', true, now() + interval '1 minute')`)
      yield* rows(String.raw`INSERT INTO cluster_shards (shard_id, fence, owner, address, acquired_at, expires_at)
        VALUES ('cluster/default:1', 1, gen_random_uuid(), E'h\u009b2J:1', now(), now() + interval '1 minute')`)
      yield* rows(String.raw`INSERT INTO cluster_inbox
        (shard_id, due_at, request_id, id, kind, request_key, entity_type, entity_id, since)
        VALUES ('cluster/default:1', 0, 5, 5, 0, 5, 'Order', E'o\n\u001b[31mred\u0007', now() + interval '1 second')`)
      const { code, stdout } = yield* call(["cluster", "status"], env)
      assert.strictEqual(code, 0)
      assert.include(stdout, String.raw`for 0 ms: Order o\u000a\u001b[31mred\u0007 on default:1, request 5`)
      for (const address of [String.raw`h\u001b[2J:1`, String.raw`h\u009b2J:1`])
        assert.include(stdout, `  ${address}  `)
    })
  )

  it.live("what makes no sense is one line, 2, and changes nothing", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* tables
      yield* run(rows, "orders")
      yield* finish(rows, "orders", 2)
      for (const [line, said] of nonsense) {
        const { code, stderr, stdout } = yield* call(["cluster", ...line.split(" ")], env)
        assert.deepStrictEqual([code, stdout], [2, ""], line)
        if (typeof said === "string") assert.strictEqual(stderr, `error: ${said}\n`)
        else assert.match(stderr, said)
      }
      assert.strictEqual(yield* left(rows), 2)
    })
  )

  it.live("prune counts what would go, forgets it, and finds nothing more", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* tables
      yield* run(rows, "orders")
      yield* finish(rows, "orders", 350)
      const prune = (...args: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const { code, stderr, stdout } = yield* call(
            ["cluster", "prune", "--prefix", "orders", ...args, "--format", "json"],
            env
          )
          assert.strictEqual(code, 0, stderr)
          const value: unknown = JSON.parse(stdout)
          const { dryRun, requests } = yield* Schema.decodeUnknownEffect(Json.Pruning)(value, {
            onExcessProperty: "error"
          })
          return [dryRun, requests, yield* left(rows)]
        })
      assert.deepStrictEqual(yield* prune("--older-than", "4d", "--yes"), [false, 0, 350])
      assert.deepStrictEqual(yield* prune("--older-than", "2d", "--dry-run"), [true, 350, 350])
      assert.deepStrictEqual(yield* prune("--older-than", "2d", "--yes"), [false, 350, 0])
      assert.deepStrictEqual(yield* prune("--older-than", "2d"), [false, 0, 0])
    })
  )

  it.live("Ctrl-C in the middle of a prune says how far it came, and the next one goes on", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* tables
      yield* run(rows, "orders")
      yield* finish(rows, "orders", 2_000)
      const prune = ["cluster", "prune", "--prefix", "orders", "--older-than", "2d", "--yes"]
      const running = start([...prune, "--batch", "1"], env)
      yield* Effect.repeat(left(rows), { until: (left) => left < 2_000 })
      running.kill("SIGINT")
      const { code, stderr, stdout } = yield* Effect.promise(() => running.ended)
      assert.deepStrictEqual([code, stdout], [130, ""])
      const [, came] =
        /^error: interrupted: (\d+) requests? (?:was|were) forgotten: run the same command again to go on\n$/.exec(
          stderr
        ) ?? []
      const gone = 2_000 - (yield* left(rows))
      // What was under way may have been committed.
      assert.isTrue(gone === Number(came) || gone === Number(came) + 1, `${gone} are gone: ${stderr}`)
      const next = yield* call(prune, env)
      assert.include(next.stdout, `orders: ${2_000 - gone} requests forgotten, finished before `)
      assert.strictEqual(yield* left(rows), 0)
    })
  )
})
