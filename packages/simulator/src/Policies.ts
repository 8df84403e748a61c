/**
 * The policies that are compared: the toolkit's, and what others ship for Aurora DSQL.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { SerializationConflict } from "@effect-dsql/core/DsqlError"
import * as HotKeys from "@effect-dsql/core/HotKeys"
import * as RetryPolicy from "@effect-dsql/core/RetryPolicy"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

/**
 * A policy and what it is called, and what is done beside it for a key that many want.
 *
 * @since 0.1.0
 * @category models
 */
export interface Named {
  readonly name: string
  readonly policy: RetryPolicy.RetryPolicy
  /** Whether transactions name their key, so that those of a process come one after the other. Default: false. */
  readonly queue?: boolean | undefined
  /** How many increments of a process go into one transaction at most; undefined where each is one of its own. */
  readonly group?: number | undefined
  /**
   * How a transaction is sent. `apart` sends BEGIN, each statement and COMMIT one after the other, and ROLLBACK behind a
   * COMMIT that was refused: four round trips for an increment, as others do it. `run` is `Transaction.run`, whose BEGIN
   * rides with the first statement: three. `finish` is `Transaction.finish`, whose COMMIT rides with the last one too: two.
   * `batch` is `Transaction.batch`, all in one. Default: `run`.
   */
  readonly form?: Form | undefined
  /** What the retries of a process may cost; undefined where they are free. */
  readonly quota?: HotKeys.RetryQuota | undefined
}

/**
 * How a transaction is sent.
 *
 * @since 0.3.0
 * @category models
 */
export const Form = Schema.Literals(["apart", "run", "finish", "batch"])

/**
 * @since 0.3.0
 * @category models
 */
export type Form = typeof Form.Type

/** Retries with delays that double up to a cap, each times a random factor between two bounds. */
const doubling = (options: {
  readonly retries: number
  readonly base: number
  readonly cap: number
  readonly factor: readonly [low: number, high: number]
}): RetryPolicy.RetryPolicy => {
  const [low, high] = options.factor
  return Schedule.exponential(options.base).pipe(
    Schedule.modifyDelay(({ duration }) => {
      const capped = Math.min(Duration.toMillis(duration), options.cap)
      return Effect.map(Random.next, (random) => Duration.millis(capped * (low + (high - low) * random)))
    }),
    Schedule.setInputType<SerializationConflict>(),
    Schedule.upTo({ times: options.retries }),
    Schedule.map(({ duration }) => Effect.succeed(duration))
  )
}

/**
 * What `Transaction.run` does when it is told nothing.
 *
 * @since 0.1.0
 * @category policies
 */
export const standard: Named = { name: "effect-dsql", policy: RetryPolicy.standard }

/**
 * The same, where transactions name their key (`keys`).
 *
 * @since 0.2.0
 * @category policies
 */
export const queued: Named = { name: "effect-dsql-queue", policy: RetryPolicy.standard, queue: true }

/**
 * The same, where increments of a row go together (`GroupCommit`).
 *
 * @since 0.2.0
 * @category policies
 */
export const grouped: Named = { name: "effect-dsql-group", policy: RetryPolicy.standard, group: 50 }

/**
 * AWS's node-postgres connector: 3 retries, 1 ms doubling, capped at 100 ms, up to 25 % more; its statements go apart,
 * and so does ROLLBACK. Source:
 * `@aws/aurora-dsql-node-postgres-connector` 0.1.9 (https://github.com/awslabs/aurora-dsql-connectors).
 *
 * @since 0.1.0
 * @category policies
 */
export const awsConnector: Named = {
  name: "aws-connector",
  policy: doubling({ retries: 3, base: 1, cap: 100, factor: [1, 1.25] }),
  form: "apart"
}

/**
 * AWS's Drizzle adapter: 3 retries, 50 ms doubling, capped at 5 s, 50 to 100 % of it; its statements go apart, and so
 * does ROLLBACK. Source:
 * `@aws/aurora-dsql-drizzle` 0.1.0 (https://github.com/awslabs/aurora-dsql-orms, `node/drizzle/src/retry.ts`).
 *
 * @since 0.1.0
 * @category policies
 */
export const awsDrizzle: Named = {
  name: "aws-drizzle",
  policy: doubling({ retries: 3, base: 50, cap: 5_000, factor: [0.5, 1] }),
  form: "apart"
}

/**
 * All of them, the toolkit's own first.
 *
 * @since 0.1.0
 * @category policies
 */
export const all: ReadonlyArray<Named> = [standard, queued, grouped, awsConnector, awsDrizzle]

/**
 * A policy was named that there is none of.
 *
 * @since 0.1.0
 * @category errors
 */
export class PolicyInvalid extends Schema.TaggedError<PolicyInvalid>("@effect-dsql/simulator/PolicyInvalid")(
  "PolicyInvalid",
  { text: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `${JSON.stringify(this.text)} is not a policy: ${this.reason}`
  }
}

// An empty text would be zero.
const number = Schema.NonEmptyString.pipe(Schema.decodeTo(Schema.NumberFromString))

const milliseconds = number.check(Schema.isBetween({ minimum: 0, maximum: 3_600_000 }))

const settings = {
  base: milliseconds,
  cap: milliseconds,
  elapsed: milliseconds,
  factor: number.check(Schema.isBetween({ minimum: 1, maximum: 100 })),
  attempts: number.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 1_000 })),
  jitter: Schema.Literals(["full", "bounded", "none"]),
  queue: Schema.Literals(["on", "off"]),
  form: Form,
  group: number.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 3_000 })),
  quota: number.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))
}

const Options = Schema.Struct({
  base: Schema.optionalKey(settings.base),
  cap: Schema.optionalKey(settings.cap),
  elapsed: Schema.optionalKey(settings.elapsed),
  factor: Schema.optionalKey(settings.factor),
  attempts: Schema.optionalKey(settings.attempts),
  jitter: Schema.optionalKey(settings.jitter),
  queue: Schema.optionalKey(settings.queue),
  form: Schema.optionalKey(settings.form),
  group: Schema.optionalKey(settings.group),
  quota: Schema.optionalKey(settings.quota)
})

const decode = Schema.decodeUnknownEffect(Options)

/**
 * Reads a policy: the name of one of `all`, or options of `RetryPolicy.make` as `base=20,cap=2000,jitter=full`, times
 * in milliseconds. `queue=on` names the key, `group=50` lets so many increments go together, `quota=500` has retries
 * paid from so many tokens, 14 for each, and `form=finish` sends COMMIT together with the UPDATE.
 *
 * @example
 * ```ts
 * import { Policies } from "@effect-dsql/simulator"
 *
 * const patient = Policies.parse("base=50,cap=5000,attempts=16")
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const parse = Effect.fnUntraced(function* (text: string): Effect.fn.Return<Named, PolicyInvalid> {
  const known = all.find(({ name }) => name === text)
  if (known !== undefined) return known
  if (!text.includes("=")) {
    const names = all.map(({ name }) => name).join(", ")
    return yield* new PolicyInvalid({ text, reason: `it is one of ${names}, or settings such as base=20,cap=2000` })
  }
  const pairs = text.split(",").map((pair) => pair.split("="))
  const unknown = pairs.find(([name = ""]) => !Object.hasOwn(settings, name))
  if (unknown !== undefined) {
    const reason = `there is no ${unknown[0]}, only ${Object.keys(settings).join(", ")}`
    return yield* new PolicyInvalid({ text, reason })
  }
  const options = yield* Effect.mapError(decode(Object.fromEntries(pairs)), (error) => {
    const reason = error.message.replaceAll(/\s+/g, " ")
    return new PolicyInvalid({ text, reason })
  })
  const { form, group, queue, quota, ...rest } = options
  if (group !== undefined && form !== undefined && form !== "run") {
    return yield* new PolicyInvalid({ text, reason: "a group is committed by Transaction.run: form=run, or none" })
  }
  return {
    name: text,
    policy: RetryPolicy.make(rest),
    queue: queue === "on",
    form,
    group,
    quota: quota === undefined ? undefined : { tokens: quota, cost: HotKeys.awsQuota.cost }
  }
})
