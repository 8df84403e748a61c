/**
 * A session for statements that belong together, one after the other. It goes back without a transaction: one that may
 * be open is rolled back.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { ConnectionLost, UnsupportedFeature } from "../../DsqlError.ts"
import { carry } from "../errors/classify.ts"
import { Single } from "../transaction/single.ts"
import type { Answer, Cycle } from "../wire/cycle.ts"
import { Pipeline } from "../wire/pipeline.ts"
import { drained } from "./draining.ts"
import { begun, Session } from "./session.ts"

export class ReservedSession extends Session {
  protected pipeline = new Pipeline(this.wire, { begin: undefined, isOff: true })
  /** Who reads a stream, and would wait for ever for anything else. */
  private reader: Fiber.Fiber<unknown, unknown> | undefined

  protected override refusal(fiber: Fiber.Fiber<unknown, unknown>): SqlError | undefined {
    return this.pipeline.refusal ?? (this.reader === fiber ? reading : undefined)
  }

  protected override send(cycle: Cycle, _sql: string): void {
    this.pipeline.submit(cycle, true)
  }

  protected override answered(
    answer: Exit.Success<Answer, SqlError>,
    fiber: Fiber.Fiber<unknown, unknown>
  ): Exit.Exit<Answer, SqlError> {
    // Who holds the session may have begun one before, in which a program of one statement sends its own.
    const { command } = answer.value.result
    return isBegin(command) && fiber.getRef(Single) !== undefined ? Exit.fail(begun) : answer
  }

  protected override get leased(): Effect.Effect<void, SqlError, Scope.Scope> {
    const { pipeline } = this
    const lease = Effect.acquireRelease(pipeline.lease, () => Effect.sync(this.giveBack), { interruptible: true })
    return Effect.withFiber((fiber) => {
      const refusal = this.refusal(fiber)
      if (refusal !== undefined) return Effect.fail(refusal)
      return Effect.andThen(
        lease,
        Effect.sync(() => {
          this.reader = fiber
        })
      )
    })
  }

  private readonly giveBack = (): void => {
    this.reader = undefined
    this.pipeline.release()
  }

  /** Lets the driver listen on the session until the scope closes. */
  readonly listen = (channel: string) =>
    Effect.andThen(
      this.leased,
      Effect.flatMap(this.wire.lend, (driver) => driver.listen(channel))
    )

  /** Sends nothing more, and leaves no transaction open. */
  readonly close: Effect.Effect<void> = Effect.withFiber((fiber) => {
    const { pipeline, wire } = this
    pipeline.refuse(released)
    if (wire.dead !== undefined || (wire.isIdle && wire.status === "I" && !pipeline.isLeased)) return Effect.void
    if (pipeline.isLeased) {
      // Said here: the next one would have it before the socket says that it has closed.
      this.end("lost")
      wire.end(released)
      return Effect.void
    }
    const rollback = wire.cycle("ROLLBACK", [], "rows", true, this.observer.begin("ROLLBACK", fiber))
    wire.write({ cycles: [rollback], answered: () => undefined })
    return Effect.andThen(
      drained(wire, () => this.end("interrupted")),
      Effect.sync(() => {
        if (wire.dead === undefined && wire.status !== "I") this.end("in_transaction")
      })
    )
  })
}

const isBegin = (command: string): boolean => command === "BEGIN" || command === "START"

const released = carry(
  new ConnectionLost({ phase: "statement", message: "the connection was given back: nothing more is sent on it" }),
  "query"
)

const reading = carry(
  new UnsupportedFeature({
    message:
      "a stream of this connection is still being read, and it answers one after the other: read the stream to its end " +
      "first (Stream.runCollect, a LIMIT and a key to go on from), or stream outside of the transaction"
  }),
  "query"
)
