/**
 * What is written to a session of the server, and whose the answers are.
 *
 * It is written in segments: statements, and one Sync behind them. After an error the server skips to the Sync, so that
 * of a segment nothing is run behind what failed, and an error is the segment's in which it comes, whatever it says.
 */
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import type * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { SqlError } from "effect/sql/SqlError"
import { type Codec, codecOf, Cycle, type Form, type Portal, type Settle } from "./cycle.ts"
import { columnsOf } from "./columns.ts"
import * as Failure from "./failure.ts"
import { PreparedStatements } from "./preparedStatements.ts"
import type { Transport } from "./transport.ts"

/** How the server's session stands: in no transaction, in one, or in one that has failed. */
export type Status = PgProtocol.TransactionStatus

/** Statements with one Sync behind them. */
export interface Segment {
  readonly cycles: ReadonlyArray<Cycle>
  /** Told once the Sync is answered, before the statements are; undefined where the connection ended instead. */
  readonly answered: (status: Status | undefined) => void
}

/** A segment that was written, and how far it is answered. */
interface Written extends Segment {
  closes: number
  at: number
  hasFailed: boolean
}

const sync = PgProtocol.encodeSync()

/** What the server says when it has been told to forget all that is prepared. */
const forgetting: ReadonlySet<string> = new Set(["DISCARD ALL", "DEALLOCATE ALL"])

export class Wire {
  /** The driver, which opened the session, for what it does with one by itself. */
  readonly driver: PgConnection
  /** What ended the connection. */
  dead: SqlError | undefined
  /** How the session stood when it was last heard of. */
  status: Status = "I"
  private readonly transport: Transport
  private readonly parser = PgProtocol.makeParser<unknown>()
  private readonly codec: Codec
  private readonly statements = new PreparedStatements()
  private readonly underWay: Array<Written> = []
  /** What closes the portals that nobody reads any more. */
  private readonly portals: Array<Uint8Array> = []
  private waiting: Array<() => void> = []

  constructor(transport: Transport, driver: PgConnection, registry: PgTypes.Registry | undefined) {
    this.transport = transport
    this.driver = driver
    this.codec = codecOf(registry)
    transport.hand(this.arrived)
    transport.stream.on("error", (cause) => this.end(Failure.lost(cause, "The socket failed")))
    transport.stream.on("close", () => this.end(Failure.lost(new Error("Connection closed"), "Connection closed")))
  }

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return this.underWay.length === 0
  }

  /** A statement for a segment. */
  readonly cycle = (sql: string, params: ReadonlyArray<unknown>, form: Form, prepare: boolean, settle: Settle): Cycle =>
    new Cycle(sql, params, form, this.codec, prepare ? this.statements : undefined, settle)

  /** One whose rows come a part at a time. */
  readonly portal = (sql: string, params: ReadonlyArray<unknown>, portal: Portal, settle: Settle): Cycle =>
    new Cycle(sql, params, "rows", this.codec, undefined, settle, portal)

  /** Closes a portal with what is written next. One that has gone with its transaction is closed without an error. */
  readonly closePortal = (name: string): void => {
    this.portals.push(PgProtocol.encodeClose({ target: "portal", name }))
  }

  /** Calls back once nothing is under way. */
  readonly onIdle = (callback: () => void): void => {
    this.waiting.push(callback)
  }

  /** Writes segments at once. */
  readonly write = (...segments: ReadonlyArray<Segment>): void => {
    const closes = [...this.statements.takeCloses(), ...this.portals.splice(0)]
    const frames: Array<Uint8Array> = [...closes]
    const isFirst = this.isIdle
    for (const [at, segment] of segments.entries()) {
      for (const cycle of segment.cycles) frames.push(...cycle.frames())
      frames.push(sync)
      const { answered, cycles } = segment
      this.underWay.push({ answered, cycles, closes: at === 0 ? closes.length : 0, at: 0, hasFailed: false })
    }
    if (this.dead !== undefined) return this.endAll(this.dead)
    if (isFirst) this.turn()
    this.transport.send(Buffer.concat(frames))
  }

  /** Ends the connection: nothing of what is under way is answered any more. */
  readonly end = (error: SqlError): void => {
    if (this.dead !== undefined) return
    this.dead = error
    this.transport.destroy()
    this.endAll(error)
  }

  /** Ends the connection, because what a statement was answered with cannot be read. What became of others is lost. */
  private unread(cause: unknown): void {
    const [segment] = this.underWay
    const cycle = segment?.cycles[segment.at]
    if (cycle !== undefined) cycle.failure = Failure.unreadable(cause)
    this.end(Failure.lost(cause, "A row could not be read"))
  }

  /** Leaves the session to the driver until the scope closes. */
  readonly lend: Effect.Effect<PgConnection, SqlError, Scope.Scope> = Effect.acquireRelease(
    Effect.suspend(() => {
      if (this.dead !== undefined) return Effect.fail(this.dead)
      this.transport.hand(undefined)
      return Effect.succeed(this.driver)
    }),
    () => Effect.sync(() => this.transport.hand(this.arrived))
  )

  private readonly arrived = (chunk: Uint8Array): void => {
    try {
      this.parser.pushEach(chunk, this.take)
    } catch (cause) {
      if (cause instanceof PgProtocol.ParseError) {
        this.end(Failure.lost(cause, "The server's messages could not be read"))
      } else this.unread(cause)
    }
  }

  private endAll(error: SqlError): void {
    for (const segment of this.underWay.splice(0)) {
      segment.answered(undefined)
      for (const cycle of segment.cycles) {
        // One of its own for each, because it is told which statement it is about.
        cycle.failure ??= new SqlError({ reason: error.reason })
        cycle.end()
      }
    }
    this.idle()
  }

  private idle(): void {
    const { waiting } = this
    if (waiting.length === 0) return
    this.waiting = []
    for (const callback of waiting) callback()
  }

  private turn(): void {
    const [segment] = this.underWay
    this.parser.readField = segment?.cycles[segment.at]?.begin()
  }

  private desync(what: string): void {
    const message = `Unexpected ${what} from the server`
    this.end(Failure.lost(new Error(message), message))
  }

  private readonly take = (message: PgProtocol.BackendMessage<unknown>): void => {
    if (this.dead !== undefined) return
    switch (message._tag) {
      case "ParameterStatus":
      case "NoticeResponse":
      case "NotificationResponse":
        return
    }
    const [segment] = this.underWay
    if (segment === undefined) {
      return message._tag === "ErrorResponse"
        ? this.end(Failure.refused(message.fields, "The server ended the session"))
        : this.desync(`${message._tag} while idle`)
    }
    switch (message._tag) {
      case "ReadyForQuery":
        return this.ready(segment, message.status)
      case "ErrorResponse":
        return this.failed(segment, message.fields)
      case "CloseComplete":
        if (--segment.closes < 0) this.desync(message._tag)
        return
    }
    const cycle = segment.cycles[segment.at]
    if (cycle === undefined || segment.hasFailed) return this.desync(message._tag)
    switch (message._tag) {
      case "ParseComplete":
      case "BindComplete":
        return
      case "NoData":
        return cycle.described(undefined)
      case "RowDescription": {
        const columns = columnsOf(message.fields, this.codec.registry)
        if (Result.isFailure(columns)) return this.unread(columns.failure)
        this.parser.readField = columns.success.read
        return cycle.described(columns.success)
      }
      case "DataRow":
        if (!cycle.row(message.values)) this.desync(message._tag)
        return
      case "CommandComplete":
        return this.completed(segment, cycle, message.commandTag)
      case "PortalSuspended":
        cycle.suspend()
        return this.answered(segment)
      case "EmptyQueryResponse":
        return this.completed(segment, cycle, "")
      case "CopyInResponse":
      case "CopyOutResponse":
      case "CopyBothResponse":
        cycle.failure = Failure.copying()
        return this.end(cycle.failure)
      default:
        return this.desync(message._tag)
    }
  }

  private completed(segment: Written, cycle: Cycle, tag: string): void {
    cycle.complete(tag)
    if (forgetting.has(tag)) this.statements.forget()
    this.answered(segment)
  }

  private answered(segment: Written): void {
    segment.at++
    this.turn()
  }

  private failed(segment: Written, fields: PgProtocol.ErrorFields): void {
    // What fails behind the last statement fails at the Sync, which commits it.
    const cycle = segment.cycles[Math.min(segment.at, segment.cycles.length - 1)]
    if (cycle === undefined || segment.hasFailed) return this.desync("ErrorResponse")
    segment.hasFailed = true
    // Its name was to be made by one before it that failed, and with it the transaction, where there is one.
    const isBehind = this.status !== "I" && this.statements.hasLeft(cycle.prepared)
    cycle.failure = isBehind ? Failure.skipped() : Failure.refused(fields)
    if (cycle.prepared !== undefined && isStale(fields.code)) this.statements.drop(cycle.prepared)
    for (const behind of segment.cycles.slice(segment.at + 1)) behind.failure = Failure.skipped()
    for (const { parses, prepared } of segment.cycles.slice(segment.at)) {
      if (parses && prepared?.isReady === false) this.statements.drop(prepared)
    }
  }

  private ready(segment: Written, status: Status): void {
    if (!segment.hasFailed && segment.at < segment.cycles.length) return this.desync("ReadyForQuery")
    this.status = status
    this.underWay.shift()
    this.turn()
    segment.answered(status)
    for (const cycle of segment.cycles) cycle.end()
    if (this.isIdle) this.idle()
  }
}

/** The server has lost a name, or what it stands for has other columns now. */
export const isStale = (code: string | undefined): boolean => code === "26000" || code === "0A000"
