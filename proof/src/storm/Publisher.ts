/**
 * Publishes messages to one queue, together with everybody else who does.
 */
import { Queue, Queues } from "@effect-dsql/persistence"
import * as Effect from "effect/Effect"
import { Mark } from "./Json.ts"
import { Scribe } from "./Scribe.ts"
import { type IsOver, repeated } from "./Tenure.ts"

/** Publishes messages, one after the other. */
export const publish = (isOver: IsOver) =>
  repeated(
    isOver,
    Effect.gen(function* () {
      const store = yield* Queues.Queues
      const scribe = yield* Scribe
      const op = yield* scribe.op
      const sent = store.enqueue(Queue.namespaceReplication, Mark.encode({ op }))
      yield* scribe.attempt(op, { _tag: "Message" }, sent, (id) => id)
    })
  )
