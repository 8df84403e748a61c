/**
 * What is asked of one session, in the order in which it was asked, and in as few round trips as that order has.
 *
 * What is asked in one turn of the event loop is written as one segment. The BEGIN of a transaction stands in the first,
 * in front of what was asked first: were it refused, nothing behind it would run. Until the server has said that the
 * transaction is open, all else is held back, because without it each statement would commit by itself. COMMIT has a
 * Sync of its own, so that an error tells by its place whose it is; it is written together with what stands before it,
 * and a statement that failed makes a ROLLBACK of it.
 *
 * A statement that goes alone has the session alone until it is answered: it may be one that begins or ends a
 * transaction, or changes the schema.
 */
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import { ConnectionLost, UnsupportedFeature } from "../../DsqlError.ts"
import { carry } from "../errors/classify.ts"
import type { Cycle } from "./cycle.ts"
import * as Failure from "./failure.ts"
import type { Segment, Wire } from "./wire.ts"

/** What waits for its turn. */
type Item =
  | { readonly _tag: "Statement"; readonly cycle: Cycle; readonly isAlone: boolean }
  | { readonly _tag: "Lease"; readonly grant: (given: Effect.Effect<void, SqlError>) => void }

const unwritten = (cause: SqlError): SqlError =>
  carry(
    new ConnectionLost({
      phase: "statement",
      message: `the connection ended before this was sent: ${cause.message}`,
      cause
    }),
    "query"
  )

/** What is written after the end of a transaction would commit by itself. */
const over = carry(
  new ConnectionLost({ phase: "statement", message: "the transaction is over: nothing more is sent in it" }),
  "query"
)

/** How long a COMMIT waits for who reads from the session himself. */
const leaseMillis = 5_000

const outlived = carry(
  new UnsupportedFeature({
    message:
      `the body of the transaction ended ${leaseMillis} ms ago, and a stream of it is still being read: nothing is ` +
      "committed. End the stream, or wait for it, in the body"
  }),
  "query"
)

export interface Options {
  /** Makes the BEGIN that stands before all else. */
  readonly begin: (() => Cycle) | undefined
  /** Whether every statement goes alone. */
  readonly isOff: boolean
}

export class Pipeline {
  private readonly wire: Wire
  private readonly isOff: boolean
  /** BEGIN, while it has not been written. */
  private begin: (() => Cycle) | undefined
  /** Whether it is under way. */
  private isBeginning = false
  /** Whether the server has said that the transaction is open. */
  hasBegun = false
  /** Why nothing more is written. */
  refusal: SqlError | undefined
  private readonly items: Array<Item> = []
  /** COMMIT, once it has been asked for, until it is written. */
  private commit: Cycle | undefined
  /** COMMIT, once it has been written. */
  private committing: Cycle | undefined
  private isScheduled = false
  /** Whether one statement, or a lease, has the session alone. */
  private holder: "statement" | "lease" | undefined
  /** How many statements are still to come before anything is written. */
  private expected = 0
  private gathered: () => void = () => undefined

  constructor(wire: Wire, { begin, isOff }: Options) {
    this.wire = wire
    this.begin = begin
    this.isOff = isOff
  }

  /** Whether there is a transaction of which the server has not heard. */
  get isUntouched(): boolean {
    return this.begin !== undefined && this.items.length === 0
  }

  /** Whether somebody reads from the session himself. */
  get isLeased(): boolean {
    return this.holder === "lease"
  }

  /** Why nothing more is written, the connection's own end included: what was not written is not in doubt. */
  private get ended(): SqlError | undefined {
    const { dead } = this.wire
    return this.refusal ?? (dead === undefined ? undefined : unwritten(dead))
  }

  /** Takes a statement in. */
  readonly submit = (cycle: Cycle, isAlone: boolean): void => {
    const refusal = cycle.failure ?? this.ended
    if (refusal !== undefined) return cycle.withhold(refusal)
    this.items.push({ _tag: "Statement", cycle, isAlone: isAlone || this.isOff })
    if (this.expected > 0) this.arrived()
    else this.schedule()
  }

  /** The session, for somebody who reads from it himself, once all before him is answered. */
  readonly lease: Effect.Effect<void, SqlError> = Effect.callback((resume) => {
    const item: Item = { _tag: "Lease", grant: resume }
    this.items.push(item)
    this.schedule()
    return Effect.sync(() => {
      const at = this.items.indexOf(item)
      if (at === -1) this.release()
      else this.items.splice(at, 1)
    })
  })

  /** Goes on after a lease. */
  readonly release = (): void => {
    this.holder = undefined
    this.schedule()
  }

  /** Whether there are still some to come. */
  get isExpecting(): boolean {
    return this.expected > 0
  }

  /** Holds everything back until so many statements have come, or come no more, and calls back then. */
  readonly expect = (count: number, gathered: () => void): void => {
    this.expected = count
    if (count === 0) gathered()
    else this.gathered = gathered
  }

  /** One of those that were expected is here, or comes no more. */
  readonly arrived = (): void => {
    if (this.expected === 0) return
    this.expected--
    if (this.expected === 0) this.gathered()
  }

  /** Ends the transaction behind all that was asked. */
  readonly finish = (commit: Cycle): void => {
    const refusal = this.ended
    if (refusal !== undefined) return commit.withhold(refusal)
    this.commit = commit
    this.flush()
    this.limit()
  }

  /** Writes nothing more of what was asked, nor of what will be. */
  readonly refuse = (refusal: SqlError): void => {
    this.refusal ??= refusal
    if (this.expected > 0) {
      this.expected = 0
      this.gathered()
    }
    for (const item of this.items.splice(0)) {
      if (item._tag === "Statement") item.cycle.withhold(this.refusal)
      else item.grant(Effect.fail(this.refusal))
    }
    this.commit?.withhold(this.refusal)
    this.commit = undefined
  }

  private schedule(): void {
    if (this.isScheduled) return
    this.isScheduled = true
    queueMicrotask(this.flush)
  }

  private readonly flush = (): void => {
    this.isScheduled = false
    if (this.holder !== undefined || this.isBeginning || this.expected > 0) return
    const refusal = this.ended
    if (refusal !== undefined) return this.refuse(refusal)
    const statements = this.isOff && this.begin !== undefined ? [] : this.take()
    const isAlone = this.holder !== undefined
    const [next] = this.items
    const segments: Array<Segment> = []
    if (statements.length > 0 || (this.begin !== undefined && (next !== undefined || this.commit !== undefined))) {
      segments.push(this.segment(statements))
    }
    if (this.commit !== undefined && next === undefined && this.mayCommit(isAlone, segments.length)) {
      segments.push(this.last(this.commit))
    }
    if (segments.length > 0) this.wire.write(...segments)
    else if (next?._tag === "Lease" && this.wire.isIdle) this.give(next)
  }

  /** The statements that may be written together now: one that goes alone, or all up to the next of those. */
  private take(): ReadonlyArray<Cycle> {
    const statements: Array<Cycle> = []
    for (;;) {
      const [item] = this.items
      if (item?._tag !== "Statement") return statements
      const { cycle, isAlone } = item
      if (isAlone && (statements.length > 0 || !this.wire.isIdle)) return statements
      this.items.shift()
      if (cycle.isAbandoned) cycle.withhold(Failure.skipped())
      else statements.push(cycle)
      if (isAlone && !cycle.isAbandoned) {
        this.holder = "statement"
        return statements
      }
    }
  }

  private segment(statements: ReadonlyArray<Cycle>): Segment {
    const begin = this.begin?.()
    this.begin = undefined
    this.isBeginning = begin !== undefined
    return {
      cycles: begin === undefined ? statements : [begin, ...statements],
      answered: () => {
        if (this.holder === "statement") this.holder = undefined
        if (begin !== undefined) this.begun(begin, statements)
        this.schedule()
      }
    }
  }

  /** Without a transaction none of the statements was run, none will be, and a COMMIT behind them means nothing. */
  private begun(begin: Cycle, statements: ReadonlyArray<Cycle>): void {
    this.isBeginning = false
    const { failure } = begin
    this.hasBegun = begin.isComplete
    if (failure === undefined) return
    for (const cycle of statements) cycle.failure = failure
    if (this.committing !== undefined) this.committing.failure = failure
    this.refuse(failure)
  }

  /** COMMIT rides with what was written just now, or goes by itself. */
  private mayCommit(isAlone: boolean, segments: number): boolean {
    return this.isOff ? segments === 0 && this.wire.isIdle : !isAlone && (!this.isBeginning || segments > 0)
  }

  private last(commit: Cycle): Segment {
    this.commit = undefined
    this.committing = commit
    this.refusal = over
    return { cycles: [commit], answered: () => undefined }
  }

  private give(lease: Extract<Item, { readonly _tag: "Lease" }>): void {
    this.items.shift()
    this.holder = "lease"
    lease.grant(Effect.void)
    this.limit()
  }

  /** Somebody who outlives the transaction may read from the session for ever. Nothing else is under way then. */
  private limit(): void {
    if (this.commit === undefined || !this.isLeased) return
    const { commit } = this
    setTimeout(() => {
      if (this.commit === commit && this.isLeased) this.refuse(outlived)
    }, leaseMillis)
  }
}
