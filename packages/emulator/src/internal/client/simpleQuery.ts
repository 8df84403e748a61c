/**
 * The simple protocol: a Query message with any number of statements.
 */
import * as Effect from "effect/Effect"
import * as Begin from "../concurrency/begin.ts"
import { append } from "../concurrency/outcome.ts"
import type { BackendLost } from "../postgres/backend.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import type * as Encoding from "../protocol/encoding.ts"
import type * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import * as Block from "./block.ts"
import * as Execution from "./execution.ts"
import type { Cut } from "./injection.ts"
import { finish, read, type Session } from "./session.ts"

/** Answers a Query message. */
export const simple = Effect.fnUntraced(function* (
  session: Session,
  sql: Encoding.Text
): Effect.fn.Return<void, BackendLost | Cut> {
  const parsed = yield* Effect.result(read(sql))
  const frames: Array<Frame.Frame> = []
  let error: Frame.Frame | undefined
  if (parsed._tag === "Failure") error = parsed.failure
  else if (parsed.success.length === 0) frames.push(ServerMessage.emptyQuery)
  else {
    const alone = parsed.success.length === 1
    for (const prepared of parsed.success) {
      session.arrive(prepared)
      const outcome =
        prepared.plan._tag === "Plain"
          ? yield* Execution.run(
              session,
              { prepared, bound: undefined },
              [],
              [ClientMessage.query(prepared.sql)],
              alone
            )
          : yield* Execution.answer(session, prepared, alone)
      append(frames, outcome.frames)
      error = outcome.error
      if (error !== undefined) break
    }
  }
  error = (yield* Block.settle(session, error !== undefined)) ?? error
  if (error !== undefined) yield* Block.fail(session)
  Begin.snapshot(session)
  yield* finish(session, frames, error)
})
