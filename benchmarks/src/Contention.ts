/**
 * Contenders for one row of an emulated Aurora DSQL, 2 ms away, in one process and in several: what the simulator says in
 * virtual time (`docs/retrying.md`), with real connections and each policy by its own library.
 *
 * All connections are open before it begins. AWS's Drizzle adapter is left out: the registry does not have it.
 */
import { Postgres } from "@effect-dsql/emulator"
import { Chart, type Contention, Table } from "@effect-dsql/simulator"
import { Console, Data, Effect } from "effect"
import { type ChildProcess as Child, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import pg from "pg"
import * as Charts from "./Charts.ts"
import { median } from "./Compare.ts"
import { type Name, starts } from "./ContentionPolicies.ts"
import type { Answer, Order, Result } from "./ContentionProcess.ts"
import { emulatorBefore } from "./EmulatorBefore.ts"
import { latencyProxy } from "./LatencyProxy.ts"

const contenders = 100
const processes = [1, 10]
const rounds = 3
const millisAway = 2

const policies = Object.keys(starts).filter((name): name is Name => name in starts)

/** A process of contenders ended, or could not do what it was told; or the row has not what they say that they committed. */
class ContestFailed extends Data.TaggedError("ContestFailed")<{ readonly message: string }> {}

export const contention = Effect.gen(function* () {
  // A connection for each contender, and those that the emulator has for itself: more than PostgreSQL takes by itself.
  const server = yield* Postgres.make({
    settings: { fsync: "off", synchronous_commit: "off", max_connections: contenders + 50 }
  })
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
  yield* Console.log(`\n${contenders} contenders for one row, ${millisAway} ms away (medians of ${rounds} rounds)`)
  for (const count of processes) {
    const found = yield* Effect.scoped(contests(away, count, near))
    const those = [...found].map(([policy, results]) => outcome(policy, count, results))
    yield* Console.log(Table.render(those))
    outcomes.push(...those)
  }
  yield* Charts.draw("contention", (caption) => Chart.render(outcomes, caption), [
    "@effect-dsql/core",
    "@aws/aurora-dsql-node-postgres-connector",
    "pg"
  ])
}).pipe(Effect.scoped)

/** All rounds of all policies on so many processes. */
const contests = Effect.fnUntraced(function* (url: string, count: number, near: pg.Pool) {
  const children = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Array.from({ length: count }, () => fork(fileURLToPath(new URL("./ContentionProcess.ts", import.meta.url))))
    ),
    (children) => Effect.sync(() => children.forEach((child) => child.kill()))
  )
  const found = new Map(policies.map((policy) => [policy, Array<Result>()]))
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < policies.length; turn++) {
      const policy = policies[(round + turn) % policies.length]
      if (policy === undefined) continue
      found.get(policy)?.push(yield* contest(children, { policy, url, contenders: contenders / count }, near))
    }
  }
  return found
})

/** A run: all processes begin together. What they say that they committed is compared with what the row says. */
const contest = Effect.fnUntraced(function* (children: ReadonlyArray<Child>, order: Order, near: pg.Pool) {
  const all = (message: Order | "begin") =>
    Effect.forEach(children, (child) => told(child, message), { concurrency: "unbounded" })
  yield* Effect.promise(() => near.query("UPDATE bench_hot SET n = 0 WHERE id = 1"))
  yield* all(order)
  const results = (yield* all("begin")).filter((answer) => answer !== "ready")
  const committed = results.flatMap((result) => result.committed).toSorted((a, b) => a - b)
  const { rows } = yield* Effect.promise(() => near.query<{ n: number }>("SELECT n FROM bench_hot WHERE id = 1"))
  if (rows[0]?.n !== committed.length) {
    const message = `${order.policy}: ${committed.length} said that they had committed, and the row has ${rows[0]?.n}`
    return yield* new ContestFailed({ message })
  }
  return {
    attempts: results.reduce((sum, { attempts }) => sum + attempts, 0),
    committed,
    finish: Math.max(...results.map(({ finish }) => finish))
  }
})

/** Tells a process something, and gives what it answers. One that ends answers nothing. */
const told = (child: Child, message: Order | "begin") =>
  Effect.callback<Exclude<Answer, { readonly failed: string }>, ContestFailed>((resume) => {
    // What a process of `ContentionProcess.ts` sends is an answer.
    const answered = (answer: Answer) => {
      child.off("exit", ended)
      const failed = typeof answer === "object" && "failed" in answer
      resume(failed ? Effect.fail(new ContestFailed({ message: answer.failed })) : Effect.succeed(answer))
    }
    const ended = (code: number | null, signal: string | null) => {
      child.off("message", answered)
      resume(Effect.fail(new ContestFailed({ message: `a process of contenders ended (${signal ?? code})` })))
    }
    child.once("message", answered).once("exit", ended)
    child.send(message)
    return Effect.sync(() => child.off("message", answered).off("exit", ended))
  })

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
