/**
 * Group commit: what many ask of one key at once, in one transaction.
 *
 * A row takes one commit at a time, whoever waits for it and in whatever order; to let more through, more has to go into
 * one commit. That suits what composes: increments of a counter, lines appended to a list, claims of a free place. While a
 * transaction of a key is under way, what is asked for gathers, and goes together in the next one. Each caller hears what
 * became of its own request.
 *
 * @since 0.2.0
 * @stability unstable
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { DsqlClient } from "./DsqlClient.ts"
import * as DsqlError from "./DsqlError.ts"
import type * as HotKeys from "./HotKeys.ts"
import * as gathering from "./internal/grouping/gathering.ts"
import * as measure from "./internal/grouping/measure.ts"
import { inParts } from "./internal/grouping/parts.ts"
import { named } from "./internal/hotkeys/key.ts"
import * as check from "./internal/options/check.ts"
import * as Transaction from "./Transaction.ts"

/**
 * What is done together, and how much of it.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options<in A, in out B, out E, out R> extends Pick<
  Transaction.Options<never>,
  "deadline" | "operation" | "policy"
> {
  /** The row that a request changes. Requests of one key go together, and the transaction names it. */
  readonly key: (request: A) => HotKeys.Key
  /**
   * The body of a transaction for requests of one key, in the order in which they came. It gives what each of them is
   * answered, by its place. It may run several times, and for fewer of them.
   */
  readonly commit: (
    requests: Arr.NonEmptyReadonlyArray<A>
  ) => Effect.Effect<ReadonlyArray<B>, E, Transaction.Transaction | R>
  /**
   * Looks what became of requests whose answer was lost, in a transaction of its own: all of them were committed, or none.
   * It is given what `commit` had answered, if it had come so far. What it says is told to each, as `verify` of
   * `Transaction.run` has it: `Committed` with the answers by their places, `NotCommitted` as a `ConnectionLost`; read a
   * row FOR UPDATE that the transaction changed. Without it, all of them hear `CommitOutcomeUnknown`.
   */
  readonly verify?:
    | ((
        requests: Arr.NonEmptyReadonlyArray<A>,
        answers: Option.Option<ReadonlyArray<B>>
      ) => Effect.Effect<Transaction.Outcome<ReadonlyArray<B>>, unknown, Transaction.Transaction | R>)
    | undefined
  /** Requests that go together at most. Default: 50. */
  readonly most?: number | undefined
  /** Requests that may wait, for all keys together; one more fails with `KeyQueueFull`. Default: 10,000. */
  readonly waiting?: number | undefined
}

/**
 * Makes what requests are made by, for as long as the scope is open.
 *
 * A group that fails by what was asked (the body's own error or a defect, a constraint, a limit, a refused statement) has
 * written nothing, and is done again in halves, until what cannot be done is alone: it hears why, and the others are done.
 * What says nothing of a request (a lost connection, an unknown outcome, a policy that ended) is what all of the group
 * hear. Who is interrupted while it waits takes its request back; one that is under way takes effect or not.
 *
 * @example
 * ```ts
 * import { GroupCommit, Transaction } from "@effect-dsql/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const add = yield* GroupCommit.make({
 *     operation: "AddCents",
 *     key: ({ id }: { readonly id: string; readonly cents: bigint }) => ({ table: "accounts", key: { id } }),
 *     commit: (requests) =>
 *       Effect.gen(function*() {
 *         const sql = yield* Transaction.sql
 *         const cents = requests.reduce((sum, request) => sum + request.cents, 0n)
 *         yield* sql`UPDATE accounts SET cents = cents + ${cents} WHERE id = ${requests[0].id}`
 *         return requests.map(() => "added" as const)
 *       })
 *   })
 *   yield* Effect.all([add({ id: "7", cents: 5n }), add({ id: "7", cents: 3n })], { concurrency: "unbounded" })
 * })
 * ```
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = <A, B, E, R>(
  options: Options<A, B, E, R>
): Effect.Effect<
  (request: A) => Effect.Effect<B, Transaction.Failure<E>>,
  never,
  DsqlClient | Scope.Scope | Exclude<R, Transaction.Transaction>
> =>
  Effect.gen(function* () {
    const { commit, key, operation = "group", verify } = options
    const context = yield* Effect.context<DsqlClient | Exclude<R, Transaction.Transaction>>()
    const committed = (requests: Arr.NonEmptyReadonlyArray<A>) =>
      Transaction.run<ReadonlyArray<B>, E, Transaction.Transaction | R, Transaction.Transaction | R>(
        // What `commit` needs beside the transaction is whatever this needs: whether it opens one of its own, `make`'s
        // caller is told by the type of `R`, which is not known here.
        commit(requests) as Effect.Effect<ReadonlyArray<B>, E, Transaction.Transaction | R> &
          Transaction.NotNested<Transaction.Transaction | R>,
        {
          operation,
          policy: options.policy,
          deadline: options.deadline,
          keys: [key(requests[0])],
          verify: verify && ((answers) => verify(requests, answers))
        }
      )
    return yield* gathering.make<A, B, Transaction.Failure<E>, DsqlClient | Exclude<R, Transaction.Transaction>>(
      yield* Effect.scope,
      context,
      {
        nameOf: (request) => named(key(request)).name,
        most: check.whole("most", options.most ?? 50, 1),
        waiting: check.whole("waiting", options.waiting ?? 10_000, 1),
        onBegin: (waits) => measure.began(operation, waits),
        onFull: (request, waiting) => new DsqlError.KeyQueueFull({ operation, table: key(request).table, waiting })
      },
      (group) => inParts(group, committed)
    )
  })
