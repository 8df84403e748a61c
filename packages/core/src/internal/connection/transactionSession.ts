/**
 * A session while it holds a transaction that somebody else begins and ends. A body that ends it itself would write the
 * rest of its statements one by one: they are refused, and so is the COMMIT at the end. So it is where a part of the
 * body failed that had been promised to take effect as a whole or not at all.
 */
import type { Row } from "@effect/sql-pg/PgConnection"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { SqlError } from "effect/sql/SqlError"
import type { Statement } from "effect/sql/Statement"
import type * as Stream from "effect/Stream"
import { RollbackOnly, StatementFailed, UnsupportedFeature } from "../../DsqlError.ts"
import { carry, orUnknown } from "../errors/classify.ts"
import type { Answer, Cycle, Settle } from "../wire/cycle.ts"
import { Pipeline } from "../wire/pipeline.ts"
import { isOnRows } from "./firstWord.ts"
import { compileAll } from "./compiled.ts"
import { type Commit, type Finishing, type Last, type Send, sendCompiled, sendWithCommit } from "./lastStatements.ts"
import { inPages } from "./pages.ts"
import { ReservedSession } from "./reservedSession.ts"
import { type Params, rowsOf, type Session } from "./session.ts"

/** How a transaction is sent. */
export interface Options {
  /** Whether every statement goes alone. */
  readonly isOff: boolean
  /** Whether a stream is read a page at a time. */
  readonly isPaged: boolean
  /** Whose statements are sent as they are compiled. */
  readonly owner: object
}

export class TransactionSession extends ReservedSession implements Finishing {
  private readonly options: Options
  private last: Last | undefined
  private plain: ReadonlyArray<Statement<object>> | undefined
  private portals = 0

  constructor({ end, observer, wire }: Session, options: Options) {
    super(wire, end, observer)
    this.options = options
  }

  /** Notes how the transaction begins. It begins with its first statement. */
  readonly begin = (text: string): Effect.Effect<void> =>
    Effect.withFiber((fiber) => {
      this.pipeline = new Pipeline(this.wire, { begin: () => this.observed(text, fiber), isOff: this.options.isOff })
      return Effect.void
    })

  /** Leaves statements to be sent together with COMMIT: also as they are, where there is only that to be done. */
  readonly leave = (last: Last, plain?: ReadonlyArray<Statement<object>>): void => {
    this.last = last
    this.plain = plain
  }

  /** Commits what there is to commit. */
  readonly commit: Effect.Effect<void, SqlError> = Effect.withFiber((fiber) => {
    const commit: Commit = (told) => this.sendCommit(fiber, told)
    const { last, pipeline, plain } = this
    if (last === undefined) return Effect.mapError(Effect.callback<void, SqlError>(commit), orUnknown)
    const compiled = plain && compileAll(plain, this.options.owner)
    if (compiled === undefined) return sendWithCommit(pipeline, last, commit, rolledBackFor)
    const send: Send = ({ params, sql }, told) =>
      pipeline.refusal === undefined
        ? void this.start({ sql, params, form: "rows", prepare: true }, rowsOf, fiber, told)
        : told(Exit.fail(pipeline.refusal))
    return sendCompiled(pipeline, last.settle, compiled, send, commit, rolledBackFor)
  })

  /** Leaves the transaction to roll back, because a part of it failed. */
  readonly fail = (cause: Cause.Cause<unknown>): void => this.pipeline.refuse(rolledBackFor(cause))

  protected override send(cycle: Cycle, sql: string): void {
    this.pipeline.submit(cycle, !isOnRows(sql))
  }

  protected override streamed(
    sql: string,
    params: Params,
    fiber: Fiber.Fiber<unknown, unknown>
  ): Stream.Stream<Row, SqlError> {
    if (!this.options.isPaged) return super.streamed(sql, params, fiber)
    const name = `dsql_${++this.portals}`
    return inPages({
      open: (rows, settle) => this.wire.portal(sql, params, { name, rows }, settle),
      send: (cycle) => this.send(cycle, sql),
      failed: (cause) => this.failedWith(cause, sql, fiber),
      close: () => this.wire.closePortal(name)
    })
  }

  /** It is waited for together with the ROLLBACK behind it. */
  protected override get interrupted(): Effect.Effect<void> {
    return Effect.void
  }

  protected override answered(
    answer: Exit.Success<Answer, SqlError>,
    fiber: Fiber.Fiber<unknown, unknown>
  ): Exit.Exit<Answer, SqlError> {
    const { command } = answer.value.result
    if (command === "COMMIT" || command === "ROLLBACK") this.pipeline.refuse(endedBy(command))
    return super.answered(answer, fiber)
  }

  protected override failedWith(cause: Cause.Cause<SqlError>, sql: string, fiber: Fiber.Fiber<unknown, unknown>): void {
    super.failedWith(cause, sql, fiber)
    // A COMMIT of the body's own that failed has ended the transaction too.
    if (this.pipeline.hasBegun && this.wire.dead === undefined && this.wire.status === "I")
      this.pipeline.refuse(endedBy("ROLLBACK"))
  }

  private sendCommit(fiber: Fiber.Fiber<unknown, unknown>, told: Parameters<Commit>[0]): void {
    if (this.pipeline.refusal !== undefined) return told(Exit.fail(this.pipeline.refusal))
    if (this.pipeline.isUntouched) return told(Exit.void)
    const cycle = this.observed("COMMIT", fiber, (exit) =>
      told(Exit.isSuccess(exit) && exit.value.result.command === "ROLLBACK" ? Exit.fail(swallowed) : Exit.asVoid(exit))
    )
    this.pipeline.finish(cycle)
  }

  private observed(text: string, fiber: Fiber.Fiber<unknown, unknown>, settle?: Settle) {
    const ended = this.observer.begin(text, fiber)
    return this.wire.cycle(text, [], "rows", true, (exit) => {
      ended(exit)
      if (Exit.isFailure(exit)) this.failedWith(exit.cause, text, fiber)
      settle?.(exit)
    })
  }
}

const endedBy = (command: "COMMIT" | "ROLLBACK") =>
  carry(
    new UnsupportedFeature({
      message:
        `the transaction was ended inside it, with ${command}: what it had written by then is ` +
        `${command === "COMMIT" ? "committed" : "not committed"}. It begins and ends by itself: send neither`
    }),
    "query"
  )

const rolledBackFor = (cause: Cause.Cause<unknown>) =>
  carry(
    new RollbackOnly({
      message: "a part of the transaction that had joined it failed, so all of it is rolled back: nothing is committed",
      cause: Cause.squash(cause)
    }),
    "query"
  )

const swallowed = carry(
  new StatementFailed({
    sqlState: "25P02",
    message:
      "COMMIT was answered with ROLLBACK: a statement had failed, and its error did not reach the end of the transaction"
  }),
  "commit"
)
