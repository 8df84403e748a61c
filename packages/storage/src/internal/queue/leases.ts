/**
 * The jobs that a process has, and their leases, which are extended while it has them.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Grouped from "../grouped.ts"
import { type Claimed, failureBytes, type Settlement } from "./job.ts"
import * as Statements from "./statements.ts"

export interface Options {
  readonly table: Statements.Table
  readonly lease: Duration.Duration
  readonly refreshEvery: Duration.Duration
}

export interface Leases {
  readonly hold: (jobs: ReadonlyArray<Claimed>) => void
  /** Says what became of a job, and of others that ended meanwhile, in one statement. Tried for as long as a lease. */
  readonly settle: (settlement: Settlement) => Effect.Effect<void>
}

/**
 * A row is written anew as a whole, with the failure that it has or is given: far below what a transaction takes,
 * because a long one conflicts more.
 */
const room: Grouped.Room<Claimed> = {
  count: 500,
  bytes: 4 * 2 ** 20,
  weight: ({ element }) => Size.bytes(element) + failureBytes + 1024
}

export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Leases, never, DsqlClient | Scope.Scope> {
  const { lease, refreshEvery, table } = options
  const held = new Set<Claimed>()
  const send = Grouped.make(
    yield* Effect.context<DsqlClient>(),
    // Two, so that who ends just after a statement was sent does not wait for it.
    { atOnce: 2, room: { ...room, weight: ({ job }: Settlement) => room.weight(job) } },
    (settlements: ReadonlyArray<Settlement>) =>
      Effect.map(
        Grouped.apart(settlements, (part) => settled(table, part, lease), isRefusal),
        // There is one for each of them.
        (exits) => (place: number) => exits[place] as Settled
      )
  )
  yield* extended(table, held, lease).pipe(
    Effect.catchCause((cause) => Effect.logWarning("the leases of jobs were not extended", cause)),
    Effect.schedule(Schedule.fixed(refreshEvery)),
    Effect.annotateLogs({ module: "@effect-dsql/storage/PersistedQueue", fiber: "leases" }),
    Effect.forkScoped
  )
  return {
    hold: (jobs) => {
      for (const job of jobs) held.add(job)
    },
    settle: (settlement) =>
      Effect.ensuring(
        Effect.orDie(Effect.flatten(send(settlement))),
        Effect.sync(() => held.delete(settlement.job))
      )
  }
})

type Settled = Exit.Exit<void, TransactionError>

const settled = (table: Statements.Table, settlements: ReadonlyArray<Settlement>, lease: Duration.Duration) =>
  Transaction.autocommit(Effect.asVoid(Statements.settle(table, settlements)), {
    operation: "PersistedQueue.settle",
    // A claim is settled once: after that it is nobody's, however late it is said again.
    repeat: true
  }).pipe(Effect.retry({ schedule: untilItEnds(lease), until: isRefusal }))

/** Whether a statement was refused for what it says, which it would say again. */
const isRefusal = ({ _tag }: TransactionError): boolean =>
  _tag === "LimitExceeded" || _tag === "StatementFailed" || _tag.endsWith("Violation")

const extended = (table: Statements.Table, held: ReadonlySet<Claimed>, lease: Duration.Duration) =>
  Effect.gen(function* () {
    const send = (jobs: ReadonlyArray<Claimed>) =>
      Transaction.autocommit(Effect.asVoid(Statements.extend(table, jobs, Duration.toMillis(lease))), {
        operation: "PersistedQueue.extend",
        repeat: true
      })
    for (const part of Grouped.parts([...held], room)) {
      const failed = (yield* Grouped.apart(part, send, isRefusal)).find(Exit.isFailure)
      if (failed !== undefined) yield* Effect.logWarning("the leases of jobs were not extended", failed.cause)
    }
  })

const untilItEnds = (lease: Duration.Duration) =>
  Schedule.min([Schedule.exponential(200, 1.5), Schedule.spaced("5 seconds")]).pipe(Schedule.upTo({ duration: lease }))
