/**
 * Contenders for one row of an emulated Aurora DSQL, 2 ms away, in one process and in several: what the simulator says in
 * virtual time (`docs/retrying.md`), with real connections and each policy by its own library.
 *
 * All connections are open before it begins. AWS's Drizzle adapter is left out: the registry does not have it.
 */
import type { Postgres } from "@effect-dsql/emulator"
import { Chart, type Contention, Table } from "@effect-dsql/simulator"
import { Console, Effect } from "effect"
import { type ChildProcess as Child, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import pg from "pg"
import * as Charts from "./Charts.ts"
import { median } from "./Compare.ts"
import { type Name, starts } from "./ContentionPolicies.ts"
import type { Order, Result } from "./ContentionProcess.ts"
import { emulatorBefore } from "./EmulatorBefore.ts"
import { latencyProxy } from "./LatencyProxy.ts"

const contenders = 24
const processes = [1, 4]
const rounds = 1
const millisAway = 2

const policies = Object.keys(starts).filter((name): name is Name => name in starts)

export const contention = Effect.fnUntraced(function* (server: Postgres.Postgres) {
  const url = yield* emulatorBefore(server)
  const far = yield* latencyProxy({ host: "127.0.0.1", port: Number(new URL(url).port) }, millisAway)
  const away = Object.assign(new URL(url), { hostname: "127.0.0.1", port: String(far.port) }).href
  const near = yield* Effect.acquireRelease(
    Effect.sync(() => new pg.Pool({ connectionString: url, max: 1 })),
    (pool) => Effect.promise(() => pool.end())
  )
  yield* Effect.promise(() => near.query("CREATE TABLE bench_hot (id integer PRIMARY KEY, n integer NOT NULL)"))
  yield* Effect.promise(() => near.query("INSERT INTO bench_hot VALUES (1, 0)"))
  const outcomes: Array<Contention.Outcome> = []
  for (const count of processes) {
    const found = new Map(policies.map((policy) => [policy, Array<Result>()]))
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < policies.length; turn++) {
        const policy = policies[(round + turn) % policies.length]
        if (policy === undefined) continue
        const order = { policy, url: away, contenders: contenders / count }
        found.get(policy)?.push(yield* contest(order, count, near))
      }
    }
    for (const [policy, results] of found) outcomes.push(outcome(policy, count, results))
  }
  yield* Console.log(
    `\n${contenders} contenders for one row, ${millisAway} ms away (medians of ${rounds} rounds)\n${Table.render(outcomes)}`
  )
  yield* Charts.draw("contention", (caption) => Chart.render(outcomes, caption), [
    "@effect-dsql/core",
    "@aws/aurora-dsql-node-postgres-connector",
    "pg"
  ])
}, Effect.scoped)

/** A run: all processes begin together. What they say that they committed is compared with what the row says. */
const contest = (order: Order, count: number, near: pg.Pool) =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      Array.from({ length: count }, () => fork(fileURLToPath(new URL("./ContentionProcess.ts", import.meta.url))))
    ),
    (children) =>
      Effect.promise(async () => {
        await near.query("UPDATE bench_hot SET n = 0 WHERE id = 1")
        await Promise.all(children.map((child) => told(child, order)))
        const results = await Promise.all(children.map((child) => told<Result>(child, "begin")))
        const committed = results.flatMap((result) => result.committed).toSorted((a, b) => a - b)
        const { rows } = await near.query<{ n: number }>("SELECT n FROM bench_hot WHERE id = 1")
        if (rows[0]?.n !== committed.length) {
          throw new Error(
            `${order.policy}: ${committed.length} said that they had committed, and the row has ${rows[0]?.n}`
          )
        }
        return {
          attempts: sum(results.map(({ attempts }) => attempts)),
          committed,
          gaveUp: sum(results.map(({ gaveUp }) => gaveUp)),
          finish: Math.max(...results.map(({ finish }) => finish))
        }
      }),
    (children) => Effect.sync(() => children.forEach((child) => child.kill()))
  )

/** Tells a process something, and gives what it answers: of its own making, so of the type that it makes. */
const told = async <Answer>(child: Child, message: Order | "begin"): Promise<Answer> => {
  const answered = once(child, "message")
  child.send(message)
  const [answer] = await answered
  return answer
}

const outcome = (policy: string, count: number, results: ReadonlyArray<Result>): Contention.Outcome => {
  const of = (value: (result: Result) => number) => median(results.map(value))
  const most = Math.max(...results.map(({ committed }) => committed.length))
  const committed = of((result) => result.committed.length)
  const place = (share: number) => (result: Result) =>
    result.committed[Math.max(0, Math.ceil(share * result.committed.length) - 1)] ?? Number.NaN
  return {
    policy,
    contenders,
    processes: count,
    committed,
    gaveUp: contenders - committed,
    giveUpShare: 1 - committed / contenders,
    attemptsPerCommit: of((result) => result.attempts / Math.max(1, result.committed.length)),
    p50: of(place(0.5)),
    p99: of(place(0.99)),
    finish: of(({ finish }) => finish),
    committedAfter: Array.from({ length: 100 }, (_, index) => Math.ceil(((index + 1) / 100) * contenders) - 1)
      .filter((index) => index < most)
      .map((index) => median(results.flatMap((result) => result.committed[index] ?? [])))
  }
}

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, number) => total + number, 0)
