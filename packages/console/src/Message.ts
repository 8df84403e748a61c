/**
 * What the console's page and its server say to each other: the server by server-sent events, the page by POST.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Faults from "@effect-dsql/emulator/Faults"
import * as Watch from "@effect-dsql/emulator/Watch"
import * as Schema from "effect/Schema"

/**
 * The event `transactions`: those that have changed; its id is the last revision, from which a page that was cut off goes
 * on.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Transactions = Schema.Array(Watch.Transaction)

/**
 * The event `state`: what the emulator holds, each second.
 *
 * @since 0.1.0
 * @category schemas
 */
export const State = Schema.Struct({
  /** Milliseconds of the epoch, by the server. */
  now: Schema.Number,
  /** How to start what is looked at, and the seed of its faults. */
  url: Schema.String,
  seed: Schema.Int,
  /** Whether the parameters of statements are kept. */
  parameters: Schema.Boolean,
  connections: Schema.Int,
  sessions: Schema.Int,
  open: Schema.Int,
  parked: Schema.Int,
  counts: Schema.Struct({
    connections: Schema.Int,
    roundTrips: Schema.Int,
    statements: Schema.Int,
    commits: Schema.Int,
    cost: Schema.optionalKey(Watch.Cost)
  }),
  databases: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      sessions: Schema.Int,
      jobs: Schema.Array(
        Schema.Struct({
          id: Schema.String,
          status: Schema.String,
          type: Schema.String,
          object: Schema.NullOr(Schema.String)
        })
      )
    })
  ),
  happened: Schema.Record(Schema.String, Schema.Int),
  refused: Schema.Array(Watch.Refused),
  spent: Schema.Array(Watch.Spent),
  /** Round trips of each label in `spent` that has a name. */
  roundTrips: Schema.Record(Schema.String, Schema.Int)
})
/**
 * The event `state`.
 *
 * @since 0.1.0
 * @category models
 */
export type State = typeof State.Type

/**
 * What a page asks for.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Action = Schema.Union([
  Schema.TaggedStruct("Inject", { rule: Faults.Rule }),
  Schema.TaggedStruct("Clear", {}),
  /** Milliseconds that each round trip takes from now on. */
  Schema.TaggedStruct("Latency", { millis: Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 60_000 })) }),
  /** Milliseconds that the emulator's clock goes forward. */
  Schema.TaggedStruct("Advance", {
    millis: Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 86_400_000 }))
  }),
  /** Whether the parameters of statements are kept from now on. */
  Schema.TaggedStruct("Parameters", { kept: Schema.Boolean })
])
/**
 * What a page asks for.
 *
 * @since 0.1.0
 * @category models
 */
export type Action = typeof Action.Type
