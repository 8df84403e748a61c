/**
 * One session of the driver as Effect SQL wants it, which says when it is not to be used again.
 */
import type { PgConnection, Result } from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { see } from "../errors/conflictSeen.ts"
import { about } from "../errors/statement.ts"
import type { EndReason } from "../../ConnectionPool.ts"

export type Params = ReadonlyArray<unknown>

export type Transform = (<A extends object>(rows: ReadonlyArray<A>) => ReadonlyArray<A>) | undefined

export class Session implements Connection {
  readonly connection: PgConnection
  readonly end: (reason: EndReason) => void

  constructor(connection: PgConnection, end: (reason: EndReason) => void) {
    this.connection = connection
    this.end = end
  }

  /** The same session, for statements that belong together. */
  readonly pin: Effect.Effect<Session, never, Scope.Scope> = Effect.suspend(() =>
    Effect.map(this.connection.pin, (pinned) => new Session(pinned, this.end))
  )

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
    return this.watched(sql, this.connection.queryValues(sql, params))
  }

  executeValuesUnprepared(sql: string, params: Params) {
    return this.watched(sql, this.connection.queryValues(sql, params, false))
  }

  executeStream(sql: string, params: Params, transform: Transform) {
    const rows = Stream.tapError(this.connection.stream(sql, params), (error) => {
      about(error, sql)
      return see(error)
    })
    return transform === undefined ? rows : Stream.map(rows, (row) => transform([row])[0])
  }

  protected ask(sql: string, params: Params, prepare: boolean): Effect.Effect<Result, SqlError> {
    return this.watched(sql, this.connection.query(sql, params, prepare))
  }

  private rows(sql: string, params: Params, transform: Transform, prepare: boolean) {
    return Effect.map(this.ask(sql, params, prepare), ({ rows }) => (transform === undefined ? rows : transform(rows)))
  }

  /** The answer of an interrupted statement, or the request to cancel it, may still be under way. */
  private watched<A>(sql: string, answer: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    return Effect.onError(answer, (cause) =>
      Effect.forEach(
        cause.reasons,
        (reason) => {
          if (reason._tag === "Interrupt") this.end("interrupted")
          if (reason._tag !== "Fail") return Effect.void
          about(reason.error, sql)
          if (reason.error.reason._tag === "ConnectionError") this.end("lost")
          return see(reason.error)
        },
        { discard: true }
      )
    )
  }
}
