/**
 * What a process says of what it does, one JSON object a line.
 */
import { Console, Effect, Schema } from "effect"

const step = { runner: Schema.String, of: Schema.String, step: Schema.String }

/** What a process says. */
export const Saying = Schema.Union([
  /** It listens, or has found the cluster. */
  Schema.TaggedStruct("Ready", { name: Schema.String }),
  /** A runner is about to do a step of an order. */
  Schema.TaggedStruct("Begins", step),
  /** It has done it, or found that it was done. */
  Schema.TaggedStruct("Done", step),
  /** What a step wrote was refused, because the shard is another runner's by now. */
  Schema.TaggedStruct("Refused", { ...step, why: Schema.String }),
  /** An order has come to its end. */
  Schema.TaggedStruct("Ended", { order: Schema.String, result: Schema.String })
])

export type Saying = typeof Saying.Type

const Line = Schema.fromJsonString(Saying)

export const decode = Schema.decodeUnknownEffect(Line)

/** Says it at once. */
export const say = (saying: Saying) =>
  Effect.flatMap(Effect.orDie(Schema.encodeEffect(Line)(saying)), (line) => Console.log(line))
