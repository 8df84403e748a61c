/**
 * Effect's `PersistedQueue` on Aurora DSQL, and so `DurableQueue`: the store behind them.
 *
 * Nobody waits for a row on Aurora DSQL, so there is nothing to skip: workers that claim the same jobs all learn at
 * COMMIT that one of them was first. Here they begin at different places instead. A job lies in one of 64 buckets by a
 * hash of its id, a claim looks through them from where its process stands, and whoever meets another one goes on
 * somewhere else. A process claims for all of its workers in one statement, and says what became of their jobs in one.
 *
 * A claim is a lease by the database's clock: a job is nobody else's until it ends, and somebody else's after. Each
 * claim has a token of its own, without which nothing becomes of a job, so a worker whose lease is over changes nothing.
 *
 * The tables are those of the schema `dsql/storage`; nothing is created at run time. `docs/queues.md` says how it
 * scales, and what it costs.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as RcMap from "effect/RcMap"
import * as Scope from "effect/Scope"
import * as Buckets from "./internal/queue/buckets.ts"
import * as Claiming from "./internal/queue/claiming.ts"
import { type Claimed, failureLength, type Outcome } from "./internal/queue/job.ts"
import * as Leases from "./internal/queue/leases.ts"
import * as Mailbox from "./internal/queue/mailbox.ts"
import * as Statements from "./internal/queue/statements.ts"
import * as Statement from "./internal/statement/statement.ts"
import { ensure } from "./internal/tables/ensure.ts"
import type { MissingTables } from "./MissingTables.ts"

/**
 * How the store works: the options of Effect's own SQL store.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The table, which has to be there already. Default: `effect_queue`, the schema's. */
  readonly tableName?: string | undefined
  /**
   * How often an idle process looks for jobs, with a statement that only reads. What it offers itself it takes at once.
   * Default: 1 second.
   */
  readonly pollInterval?: Duration.Input | undefined
  /** How often the leases of jobs that are being worked on are extended. Default: 30 seconds. */
  readonly lockRefreshInterval?: Duration.Input | undefined
  /** How long a job is its worker's after that: the visibility timeout. Default: 2 minutes. */
  readonly lockExpiration?: Duration.Input | undefined
}

/**
 * Makes the store of `effect/persistence/PersistedQueue`, or fails in one line where its table is missing.
 *
 * What differs from Effect's stores: jobs are taken about in the order in which they become visible, bucket by bucket,
 * not exactly; delays are kept to the millisecond; what is offered inside a transaction commits and rolls back with it;
 * of a failure the first 2,000 letters are kept, as `last_failure`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeStoreSql = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<
  PersistedQueue.PersistedQueueStore["Service"],
  MissingTables | TransactionError,
  DsqlClient | Scope.Scope
> {
  const client = yield* DsqlClient
  const statements = Statement.make(client)
  const tableName = options.tableName ?? "effect_queue"
  const table = Expression.name(tableName)
  const lease = atLeastOne(options.lockExpiration ?? "2 minutes")
  const refreshEvery = atLeastOne(options.lockRefreshInterval ?? "30 seconds")
  const pollInterval = atLeastOne(options.pollInterval ?? "1 second")
  yield* ensure("PersistedQueue", [tableName])
  const leases = yield* Leases.make({ table, lease, refreshEvery })
  const queues = new Map<string, Known>()
  const known = (name: string): Known => {
    const found = queues.get(name) ?? { maxAttempts: 0, offered: Latch.makeUnsafe(false) }
    queues.set(name, found)
    return found
  }
  const settle = (job: Claimed, outcome: Outcome) => leases.settle({ job, outcome })
  const context = yield* Effect.context<DsqlClient>()
  const mailbox = Effect.fnUntraced(function* (queue: string) {
    const state = known(queue)
    const claim = yield* Claiming.make({ table, queue, lease: Duration.toMillis(lease) })
    const source = {
      claim: (wanted: number) => claim(wanted, state.maxAttempts),
      untilVisible: Transaction.autocommit(Statements.untilVisible(table, queue), {
        operation: "PersistedQueue.poll",
        readOnly: "proven"
      }),
      hold: leases.hold,
      release: (jobs: ReadonlyArray<Claimed>) =>
        Effect.forEach(jobs, (job) => settle(job, { _tag: "Released" }), {
          concurrency: "unbounded",
          discard: true
        }),
      pollInterval
    }
    return yield* Mailbox.make(source, state.offered)
  })
  const mailboxes = yield* RcMap.make({
    // A transaction that the first worker is in is none of its.
    lookup: (queue: string) =>
      Effect.updateContext(mailbox(queue), (current: Context.Context<Scope.Scope>) =>
        Context.add(context, Scope.Scope, Context.get(current, Scope.Scope))
      ),
    idleTimeToLive: "30 seconds"
  })

  const offer: PersistedQueue.PersistedQueueStore["Service"]["offer"] = ({ delay, element, id, name }) =>
    Effect.suspend(() =>
      offered(statements, tableName, { queue: name, id, element: JSON.stringify(element), delay })
    ).pipe(
      refused("the element could not be offered"),
      Effect.tap(() => client.sql.afterCommit(Effect.sync(() => queues.get(name)?.offered.openUnsafe())))
    )

  const take: PersistedQueue.PersistedQueueStore["Service"]["take"] = (options) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const state = known(options.name)
        state.maxAttempts = options.maxAttempts
        while (true) {
          const [job, finished] = yield* Effect.scoped(
            Effect.flatMap(restore(RcMap.get(mailboxes, options.name)), (mailbox) =>
              Effect.map(restore(mailbox.take), (job) => [job, mailbox.finished] as const)
            )
          )
          const element = parsed(job.element)
          if (element === undefined) {
            yield* settle(job, { _tag: "Failed", failure: "the element is no JSON" })
            continue
          }
          yield* Effect.addFinalizer((exit) =>
            Effect.gen(function* () {
              const outcome = yield* outcomeOf(exit, job, options)
              yield* Effect.ensuring(settle(job, outcome), Effect.sync(finished))
              if (outcome._tag === "Released") state.offered.openUnsafe()
            })
          )
          return { id: job.id, attempts: job.attempts, element: element.value }
        }
      })
    )

  const cleanup: PersistedQueue.PersistedQueueStore["Service"]["cleanup"] = ({ failedTimeToLive, timeToLive }) =>
    Effect.gen(function* () {
      let queue = yield* nextQueue(table, "")
      while (queue !== undefined) {
        yield* removeAll(table, queue, { state: "completed", age: timeToLive })
        if (failedTimeToLive !== undefined) {
          yield* removeAll(table, queue, { state: "failed", age: failedTimeToLive })
        }
        queue = yield* nextQueue(table, queue)
      }
    }).pipe(refused("settled elements could not be removed"), Effect.provideService(DsqlClient, client))

  return PersistedQueue.PersistedQueueStore.of({ offer, take, cleanup })
})

/**
 * Provides the store of `effect/persistence/PersistedQueue`.
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 * import { PersistedQueue } from "@effect-dsql/storage"
 * import { Effect, Layer, Schema } from "effect"
 * import * as Queue from "effect/persistence/PersistedQueue"
 *
 * const Mail = Schema.Struct({ to: Schema.String })
 *
 * const program = Effect.gen(function*() {
 *   const mails = yield* Queue.make({ name: "mails", schema: Mail })
 *   yield* mails.offer({ to: "ada@example.com" }, { id: "welcome/ada" })
 *   yield* mails.take(({ to }, { attempts }) => Effect.logInfo(`${to}, attempt ${attempts}`))
 * })
 *
 * const live = Queue.layer.pipe(
 *   Layer.provide(PersistedQueue.layerStoreSql({ lockExpiration: "5 minutes" })),
 *   Layer.provide(DsqlClient.layerConfig())
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStoreSql = (
  options?: Options
): Layer.Layer<PersistedQueue.PersistedQueueStore, MissingTables | TransactionError, DsqlClient> =>
  Layer.effect(PersistedQueue.PersistedQueueStore, makeStoreSql(options))

/** What a process knows of a queue that it takes from. */
interface Known {
  maxAttempts: number
  /** Opened when this process has offered a job. */
  readonly offered: Latch.Latch
}

const atLeastOne = (input: Duration.Input) => Duration.max(Duration.fromInputUnsafe(input), Duration.millis(1))

const refused = (message: string) =>
  Effect.mapError((cause: unknown) => new PersistedQueue.PersistedQueueError({ message, cause }))

/** The same job a second time is none. */
const offered = (
  statements: Statement.Statements,
  tableName: string,
  {
    delay,
    element,
    id,
    queue
  }: {
    readonly queue: string
    readonly id: string
    readonly element: string
    readonly delay: Duration.Duration | undefined
  }
) =>
  Effect.gen(function* () {
    const key = { queue_name: queue, bucket: Buckets.of(id), id }
    const row = { ...key, element }
    yield* Size.check(tableName, row, Object.keys(key))
    // In a transaction now() is when it began, and a delay counts from here.
    const now = Expression.literal("clock_timestamp()")
    const columns = {
      ...Expression.row({ queue_name: "text", bucket: "integer", id: "text", element: "text" }, row),
      state: Expression.literal("'pending'"),
      attempts: Expression.literal("0"),
      visible_at: Expression.sql`${now} + ${Statements.milliseconds(delay === undefined ? 0 : Duration.toMillis(delay))}`,
      created_at: Expression.literal("now()")
    }
    const onConflict = Write.replacing(Object.keys(key), [])
    const writes = [Write.insert({ into: tableName, columns, onConflict })]
    yield* statements.write("PersistedQueue.offer", { guards: [], writes })
  })

const parsed = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

/** What becomes of a job by the way in which its work ended. */
const outcomeOf = (
  exit: Exit.Exit<unknown, unknown>,
  { attempts }: Claimed,
  options: Parameters<PersistedQueue.PersistedQueueStore["Service"]["take"]>[0]
): Effect.Effect<Outcome> => {
  if (exit._tag === "Success") return Effect.succeed({ _tag: "Completed" })
  const undecodable = exit.cause.reasons.find(
    (reason): reason is Cause.Fail<DeadLetter> => Cause.isFailReason(reason) && isDeadLetter(reason.error)
  )
  if (undecodable !== undefined) return Effect.succeed({ _tag: "Failed", failure: textOf(undecodable.error.cause) })
  if (Cause.hasInterruptsOnly(exit.cause)) return Effect.succeed({ _tag: "Released" })
  const failure = textOf(exit.cause)
  if (attempts >= options.maxAttempts) return Effect.succeed({ _tag: "Failed", failure })
  return Effect.map(options.retryDelay(attempts), (delay) => ({
    _tag: "Retried",
    delay: Duration.toMillis(delay),
    failure
  }))
}

/** How Effect's factory tells a store that an element does not decode, and never will. */
interface DeadLetter {
  readonly cause: Cause.Cause<unknown>
}

const isDeadLetter = (error: unknown): error is DeadLetter =>
  typeof error === "object" &&
  error !== null &&
  "_tag" in error &&
  error._tag === "~effect/persistence/PersistedQueue/DeadLetter"

/** What is kept of a cause: a column takes no NUL, and no half of a letter. */
const textOf = (cause: Cause.Cause<unknown>): string =>
  Cause.pretty(cause).replaceAll("\0", "").slice(0, failureLength).toWellFormed()

const nextQueue = (table: Statements.Table, after: string) =>
  Transaction.autocommit(Statements.nextQueue(table, after), {
    operation: "PersistedQueue.listQueues",
    readOnly: "proven"
  })

/** Jobs that one statement removes at most: far below what a transaction takes, because a long one conflicts more. */
const batch = 500

const removeAll = (
  table: Statements.Table,
  queue: string,
  { age, state }: { readonly state: "completed" | "failed"; readonly age: Duration.Duration }
) =>
  Transaction.autocommit(Statements.remove(table, queue, { state, age: Duration.toMillis(age), size: batch }), {
    operation: "PersistedQueue.cleanup",
    repeat: true
  }).pipe(Effect.repeat({ while: (removed) => removed === batch }))
