/**
 * One session of the server as Effect SQL wants it, which says when it is not to be used again.
 *
 * A statement by itself commits by itself, and stays alone in its Sync: two of them behind one would be one transaction.
 */
import type { Result, Row } from "@effect/sql-pg/PgConnection"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { EndReason } from "../../ConnectionPool.ts"
import { UnsupportedFeature } from "../../DsqlError.ts"
import { carry, sqlStateOf } from "../errors/classify.ts"
import { see } from "../errors/conflictSeen.ts"
import { about } from "../errors/statement.ts"
import { lose } from "../transaction/single.ts"
import type { Answer, Cycle, Form } from "../wire/cycle.ts"
import { isStale, type Wire } from "../wire/wire.ts"
import { drained } from "./draining.ts"
import { isOnRows } from "./firstWord.ts"
import type { Observer } from "./observed.ts"

export type Params = ReadonlyArray<unknown>

export type Transform = (<A extends object>(rows: ReadonlyArray<A>) => ReadonlyArray<A>) | undefined

/** A statement as it is asked. */
export interface Asked {
  readonly sql: string
  readonly params: Params
  readonly form: Form
  readonly prepare: boolean
}

export class Session implements Connection {
  readonly wire: Wire
  readonly end: (reason: EndReason) => void
  readonly observer: Observer

  constructor(wire: Wire, end: (reason: EndReason) => void, observer: Observer) {
    this.wire = wire
    this.end = end
    this.observer = observer
  }

  executeRaw(sql: string, params: Params): Effect.Effect<Result, SqlError> {
    return this.ask({ sql, params, form: "rows", prepare: true }, resultOf)
  }

  execute(sql: string, params: Params, transform: Transform) {
    return this.rows({ sql, params, form: "rows", prepare: true }, transform)
  }

  executeUnprepared(sql: string, params: Params, transform: Transform) {
    return this.rows({ sql, params, form: "rows", prepare: false }, transform)
  }

  executeValues(sql: string, params: Params) {
    return this.ask({ sql, params, form: "values", prepare: true }, valuesOf)
  }

  executeValuesUnprepared(sql: string, params: Params) {
    return this.ask({ sql, params, form: "values", prepare: false }, valuesOf)
  }

  /** The driver tells nothing of what a stream's command did, so one that may begin a transaction is not streamed. */
  executeStream(sql: string, params: Params, transform: Transform) {
    const rows = isOnRows(sql)
      ? this.watched(sql, (fiber) => this.streamed(sql, params, fiber))
      : Stream.unwrap(Effect.map(this.executeUnprepared(sql, params, undefined), (all) => Stream.fromIterable(all)))
    return transform === undefined ? rows : Stream.map(rows, (row) => transform([row])[0])
  }

  /** Sends a statement, and gives what is read from its answer. */
  protected ask<A>(asked: Asked, read: (answer: Answer) => A): Effect.Effect<A, SqlError> {
    return Effect.withFiber((fiber) => {
      const refusal = this.refusal(fiber)
      if (refusal !== undefined) return Effect.fail(refusal)
      return Effect.callback<A, SqlError>((resume) => {
        const abandon = this.start(asked, read, fiber, (exit, isStale) =>
          // Outside of a transaction the text alone is tried again, without the name that the server does not honour.
          resume(isStale ? this.ask({ ...asked, prepare: false }, read) : exit)
        )
        return Effect.suspend(() => {
          abandon()
          return this.interrupted
        })
      })
    })
  }

  /**
   * Sends a statement, and tells what comes of it, unless it is abandoned before: also whether it failed, outside of a
   * transaction, for its name alone.
   */
  protected start<A>(
    asked: Asked,
    read: (answer: Answer) => A,
    fiber: Fiber.Fiber<unknown, unknown>,
    told: (exit: Exit.Exit<A, SqlError>, isStale: boolean) => void
  ): () => void {
    const { form, params, prepare, sql } = asked
    const ended = this.observer.begin(sql, fiber)
    const cycle = this.wire.cycle(sql, params, form, prepare, (exit) => {
      ended(exit)
      if (Exit.isFailure(exit)) {
        const isStale = prepare && !cycle.parses && this.wire.status === "I" && exit.cause.reasons.some(wasStale)
        if (!isStale) this.failedWith(exit.cause, sql, fiber)
        return told(Exit.failCause(exit.cause), isStale)
      }
      const answer = this.answered(exit, fiber)
      told(Exit.isSuccess(answer) ? Exit.succeed(read(answer.value)) : Exit.failCause(answer.cause), false)
    })
    this.send(cycle, sql)
    return () => {
      cycle.abandon()
      ended(interrupted)
    }
  }

  /** Why nothing is sent. */
  protected refusal(_fiber: Fiber.Fiber<unknown, unknown>): SqlError | undefined {
    return undefined
  }

  /** Sends a statement in its turn. */
  protected send(cycle: Cycle, _sql: string): void {
    if (cycle.failure === undefined) this.wire.write({ cycles: [cycle], answered: () => undefined })
    else cycle.withhold(cycle.failure)
  }

  /** The answer of an interrupted statement, or the request to cancel it, may still be under way. */
  protected get interrupted(): Effect.Effect<void> {
    this.end("interrupted")
    return drained(this.wire)
  }

  /** What is made of an answer. A statement by itself begins no transaction: nobody would end it. */
  protected answered(
    answer: Exit.Success<Answer, SqlError>,
    _fiber: Fiber.Fiber<unknown, unknown>
  ): Exit.Exit<Answer, SqlError> {
    if (this.wire.status === "I") return answer
    this.end("in_transaction")
    return Exit.fail(begun)
  }

  /** A statement has failed: tells whoever has to know. */
  protected failedWith(cause: Cause.Cause<SqlError>, sql: string, fiber: Fiber.Fiber<unknown, unknown>): void {
    for (const reason of cause.reasons) {
      if (reason._tag !== "Fail") continue
      if (this.wire.dead !== undefined || reason.error.reason._tag === "ConnectionError") this.end("lost")
      this.note(sql, reason.error, fiber)
    }
  }

  /** The session, for somebody who reads from it himself, until the scope closes. */
  protected get leased(): Effect.Effect<void, SqlError, Scope.Scope> {
    return Effect.void
  }

  private rows(asked: Asked, transform: Transform): Effect.Effect<ReadonlyArray<Row>, SqlError> {
    const rows = this.ask(asked, rowsOf)
    return transform === undefined ? rows : Effect.map(rows, transform)
  }

  /** The rows of a statement, as the driver streams them. */
  protected streamed(sql: string, params: Params, fiber: Fiber.Fiber<unknown, unknown>): Stream.Stream<Row, SqlError> {
    const rows = Effect.map(Effect.andThen(this.leased, this.wire.lend), (driver) => driver.stream(sql, params))
    return Stream.tapError(Stream.unwrap(rows), (error) => Effect.sync(() => this.note(sql, error, fiber)))
  }

  private watched(
    sql: string,
    rows: (fiber: Fiber.Fiber<unknown, unknown>) => Stream.Stream<Row, SqlError>
  ): Stream.Stream<Row, SqlError> {
    return Stream.unwrap(
      Effect.withFiber((fiber) => {
        const ended = this.observer.begin(sql, fiber)
        return Effect.succeed(Stream.onExit(rows(fiber), (exit) => Effect.sync(() => ended(exit))))
      })
    )
  }

  private note(sql: string, error: SqlError, fiber: Fiber.Fiber<unknown, unknown>): void {
    about(error, sql)
    see(error, fiber)
    lose(error, fiber)
  }
}

const resultOf = ({ result }: Answer) => result

export const rowsOf = ({ result }: Answer) => result.rows

const valuesOf = ({ values }: Answer) => values

const interrupted = Exit.interrupt()

/** Whether a statement failed because its name, or its plan, was out of date. */
const wasStale = (reason: Cause.Reason<SqlError>): boolean =>
  reason._tag === "Fail" && isStale(sqlStateOf(reason.error.reason.cause))

/** What a statement by itself is answered that begins a transaction. */
export const begun = carry(
  new UnsupportedFeature({
    message:
      "a transaction was begun by a statement of its own, and is rolled back: use Transaction.run, or reserve a connection"
  }),
  "query"
)
