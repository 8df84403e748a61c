/**
 * A session for statements that belong together, one after the other. It goes back without a transaction: one that may
 * be open is rolled back.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { ConnectionLost } from "../../DsqlError.ts"
import { carry } from "../errors/classify.ts"
import { Single } from "../transaction/single.ts"
import type { Answer, Cycle } from "../wire/cycle.ts"
import { Pipeline } from "../wire/pipeline.ts"
import { drained } from "./draining.ts"
import { begun, Session } from "./session.ts"

export class ReservedSession extends Session {
  protected pipeline = new Pipeline(this.wire, { begin: undefined, isOff: true })

  protected override get refusal(): SqlError | undefined {
    return this.pipeline.refusal
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
    return Effect.acquireRelease(this.pipeline.lease, () => Effect.sync(this.pipeline.release), { interruptible: true })
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
    if (pipeline.isLeased) return Effect.sync(() => wire.end(released))
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

/** Keeps a session for oneself until the scope closes. */
export const reserved = <S extends ReservedSession>(session: S): Effect.Effect<S, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.succeed(session), ({ close }) => close)
