/**
 * One session of the driver as Effect SQL wants it, which says when it is not to be used again.
 *
 * The driver names the command that the server answered, except for positional rows and for streams. So those are asked
 * for only by a text whose first word is one of a statement on rows, and any other is asked for with its command: what
 * begins or ends a transaction is told by the server, whatever stands around it.
 */
import type { PgConnection, Result, Row } from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { EndReason } from "../../ConnectionPool.ts"
import { UnsupportedFeature } from "../../DsqlError.ts"
import { carry } from "../errors/classify.ts"
import { see } from "../errors/conflictSeen.ts"
import { about } from "../errors/statement.ts"
import { lose } from "../transaction/single.ts"
import { isOnRows } from "./firstWord.ts"
import type { Observer } from "./observed.ts"

export type Params = ReadonlyArray<unknown>

export type Transform = (<A extends object>(rows: ReadonlyArray<A>) => ReadonlyArray<A>) | undefined

export class Session implements Connection {
  readonly connection: PgConnection
  readonly end: (reason: EndReason) => void
  readonly observer: Observer

  constructor(connection: PgConnection, end: (reason: EndReason) => void, observer: Observer) {
    this.connection = connection
    this.end = end
    this.observer = observer
  }

  executeRaw(sql: string, params: Params) {
    return this.ask(sql, params, true)
  }

  execute(sql: string, params: Params, transform: Transform) {
    return this.rows(sql, params, transform, true)
  }

  executeUnprepared(sql: string, params: Params, transform: Transform) {
    return this.rows(sql, params, transform, false)
  }

  executeValues(sql: string, params: Params) {
    return this.values(sql, params, true)
  }

  executeValuesUnprepared(sql: string, params: Params) {
    return this.values(sql, params, false)
  }

  executeStream(sql: string, params: Params, transform: Transform) {
    const rows = isOnRows(sql)
      ? Stream.unwrap(
          this.send(
            sql,
            Effect.sync(() => this.watchedStream(sql, params))
          )
        )
      : Stream.unwrap(Effect.map(this.ask(sql, params, false), ({ rows }) => Stream.fromIterable(rows)))
    return transform === undefined ? rows : Stream.map(rows, (row) => transform([row])[0])
  }

  /** Sends a statement of this text. */
  protected send<A>(_sql: string, statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    return statement
  }

  /** The server has answered with this command. A statement by itself begins no transaction: nobody would end it. */
  protected answered(command: string): Effect.Effect<void, SqlError> {
    if (!isBegin(command)) return Effect.void
    this.end("in_transaction")
    return Effect.fail(begun)
  }

  private ask(sql: string, params: Params, prepare: boolean): Effect.Effect<Result, SqlError> {
    return Effect.tap(this.send(sql, this.watched(sql, this.connection.query(sql, params, prepare))), ({ command }) =>
      this.answered(command)
    )
  }

  private rows(sql: string, params: Params, transform: Transform, prepare: boolean) {
    return Effect.map(this.ask(sql, params, prepare), ({ rows }) => (transform === undefined ? rows : transform(rows)))
  }

  private values(sql: string, params: Params, prepare: boolean) {
    return isOnRows(sql)
      ? this.send(sql, this.watched(sql, this.connection.queryValues(sql, params, prepare)))
      : Effect.flatMap(this.ask(sql, params, prepare), positional)
  }

  private watchedStream(sql: string, params: Params) {
    return Stream.unwrap(
      Effect.withFiber<Stream.Stream<Row, SqlError>>((fiber) => {
        const ended = this.observer.begin(sql, fiber)
        const rows = Stream.tapError(this.connection.stream(sql, params), (error) => this.note(sql, error))
        return Effect.succeed(Stream.onExit(rows, ended))
      })
    )
  }

  /** The answer of an interrupted statement, or the request to cancel it, may still be under way. */
  private watched<A>(sql: string, answer: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    return Effect.withFiber((fiber) => {
      const ended = this.observer.begin(sql, fiber)
      return Effect.onExit(answer, (exit) =>
        Exit.isSuccess(exit)
          ? ended(exit)
          : Effect.andThen(
              ended(exit),
              Effect.forEach(
                exit.cause.reasons,
                (reason) => {
                  if (reason._tag === "Interrupt") this.end("interrupted")
                  if (reason._tag !== "Fail") return Effect.void
                  if (reason.error.reason._tag === "ConnectionError") this.end("lost")
                  return this.note(sql, reason.error)
                },
                { discard: true }
              )
            )
      )
    })
  }

  private note(sql: string, error: SqlError): Effect.Effect<void> {
    about(error, sql)
    return Effect.andThen(see(error), lose(error))
  }
}

/** Whether a command begins a transaction. */
export const isBegin = (command: string): boolean => command === "BEGIN" || command === "START"

/** Rows by their columns' places, which are known as long as no two columns have one name. */
const positional = ({ fields, rows }: Result): Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, SqlError> => {
  const names = fields.map(({ name }) => name)
  if (rows.length > 0 && new Set(names).size < names.length) return Effect.fail(sameNames)
  return Effect.succeed(rows.map((row) => names.map((name) => row[name])))
}

const refused = (message: string): SqlError => carry(new UnsupportedFeature({ message }), "query")

/** What a statement by itself is answered that begins a transaction. */
export const begun = refused(
  "a transaction was begun by a statement of its own, and is rolled back: use Transaction.run, or reserve a connection"
)

const sameNames = refused(
  "two columns of the answer have one name: name them differently, or let the statement begin with its first word"
)
