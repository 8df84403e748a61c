/**
 * Cuts a write at each step, and compares what it said with what it left.
 */
import { DsqlError } from "@effect-dsql/core"
import { Statement as Sql } from "@effect-dsql/dialect"
import { Cause, Effect, Exit, Predicate, Queue } from "effect"
import { Statement } from "effect/sql"
import { holding, holdingValid } from "../../../test/lifetime.ts"
import type { Case, Needs } from "./Case.ts"
import * as Lane from "./Lane.ts"
import { places, type Step, steps } from "./Steps.ts"

/** What the caller was told. */
export type Told = "applied" | "not applied" | "unknown" | "defect"

/** One cut: what the caller was told, and whether that is true. */
export interface Cut {
  readonly form: Lane.Form
  readonly step: Step
  /** Which statement or COMMIT of the write was cut, from 1. */
  readonly nth: number
  readonly told: Told
  /** The tag of the error, or the defect. */
  readonly error: string | undefined
  /** What the tables are like: as before, as after the write, as after it was done twice, or like nothing of these. */
  readonly left: "before" | "after" | "twice" | "else"
  readonly holds: boolean
}

/** More statements than any write here has. */
const most = 16

/** What a write does where nothing is cut. */
interface Calm {
  readonly form: Lane.Form
  /** The rows before it, after it, and after it was done again where it may be. */
  readonly before: string
  readonly after: string
  readonly twice: string
  /** What it sends. */
  readonly sent: ReadonlyArray<string>
  readonly inTransaction: boolean
}

/** Tries writes side by side, on as many databases as there are. */
export const make = Effect.fnUntraced(function* (databases: ReadonlyArray<Lane.Place>) {
  const free = yield* Queue.unbounded<Lane.Lane>()
  yield* Queue.offerAll(free, yield* Effect.forEach(databases, Lane.make, { concurrency: "unbounded" }))
  const onLane = <A, E>(use: (lane: Lane.Lane) => Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(Queue.take(free), use, (lane) => Queue.offer(free, lane))

  /** Cuts a write wherever it can be cut, in each form in which it is sent. */
  const cuts = Effect.fnUntraced(function* (of: Case) {
    const calm = yield* Effect.forEach(Lane.forms, (form) => onLane((lane) => undisturbed(lane, of, form)), {
      concurrency: "unbounded"
    })
    const [first] = calm
    const other = calm.find(({ after, before }) => before !== first?.before || after !== first.after)
    if (other !== undefined) return yield* Effect.die(`a ${other.form} leaves other rows than a ${first?.form} does`)
    const different = calm.filter(
      ({ sent }, index) => calm.findIndex((other) => String(other.sent) === String(sent)) === index
    )
    const all = different.flatMap((each) => places.map((alike) => ({ each, alike })))
    const found = yield* Effect.forEach(
      all,
      ({ alike: [first, ...others], each }) =>
        // On one database, so that the writes that are asked for first are done first.
        onLane((lane) =>
          Effect.flatMap(cutsAt(lane, of, each, first), (cuts) =>
            Effect.map(
              Effect.forEach(others, (step) => cutsAt(lane, of, each, step, cuts.length)),
              (more) => [cuts, ...more].flat()
            )
          )
        ),
      { concurrency: "unbounded" }
    )
    return found.flat()
  })
  return { cuts }
})

const undisturbed = (lane: Lane.Lane, of: Case, form: Lane.Form): Effect.Effect<Calm, unknown> =>
  lane.tried(
    of,
    form,
    Effect.fnUntraced(function* (write) {
      const rows = Effect.orDie(lane.tables.rows)
      const before = yield* rows
      yield* lane.control.reset
      const exit = yield* write
      if (Exit.isFailure(exit)) return yield* Effect.die(Cause.squash(exit.cause))
      const arrivals = yield* lane.control.statements(Lane.label)
      const after = yield* rows
      if (of.again) yield* write
      return {
        form,
        before,
        after,
        twice: yield* rows,
        sent: arrivals.map(({ sql }) => sql),
        inTransaction: arrivals.some((arrival) => arrival.inTransaction)
      }
    })
  )

/** How often a write can come to a step: what it sends in a transaction cannot be run apart from that. */
const mostOf = (calm: Calm, step: Step): number => ("underWay" in steps[step] ? (calm.inTransaction ? 0 : 1) : most)

/** Cuts a write at a step, as often as it comes there: so often at most, if that is known. */
const cutsAt = Effect.fnUntraced(function* (
  lane: Lane.Lane,
  of: Case,
  calm: Calm,
  step: Step,
  known = mostOf(calm, step)
) {
  const found: Array<Cut> = []
  for (let nth = 1; nth <= known; nth++) {
    const {
      exit,
      isCut,
      isPutBack = false
    } = yield* lane.tried(of, calm.form, (write) => cutting(lane, of, step, nth, write))
    if (!isCut) break
    const rows = yield* lane.tables.rows
    const left =
      rows === calm.after ? "after" : rows === calm.before ? "before" : rows === calm.twice ? "twice" : "else"
    const { error, told } = tellOf(exit)
    const holds = isPutBack ? staysPutBack(told, left, calm, of) : isTrue(told, left, calm, of)
    found.push({ form: calm.form, step, nth, told, error, left, holds })
  }
  return found
})

/** How a write ended, and whether it was cut. */
interface Ended {
  readonly exit: Exit.Exit<unknown, unknown>
  readonly isCut: boolean
  /** Whether somebody else has put back, since, what the write had found. */
  readonly isPutBack?: boolean
}

const cutting = (
  lane: Lane.Lane,
  of: Case,
  step: Step,
  nth: number,
  write: Lane.Write
): Effect.Effect<Ended, never, Needs> => {
  const how = steps[step]
  if ("fault" in how) return broken(lane, how, nth, write)
  if ("putBack" in how) return late(lane, how.late, nth, write, Effect.orDie(lane.putBack(of)))
  if ("late" in how) return late(lane, how.late, nth, write)
  return underWay(lane, write)
}

/** The emulator breaks the nth statement or COMMIT. */
const broken = Effect.fnUntraced(function* (
  { control }: Lane.Lane,
  rule: Pick<Parameters<Lane.Lane["control"]["inject"]>[0], "fault" | "on">,
  nth: number,
  write: Lane.Write
) {
  const happened = Effect.map(control.happened, (counts) =>
    Object.values(counts).reduce((sum, count) => sum + count, 0)
  )
  const before = yield* happened
  yield* control.inject({ ...rule, nth: [nth], label: Lane.label })
  const exit = yield* write
  return { exit, isCut: (yield* happened) > before }
})

/** The nth statement or COMMIT arrives when the caller has been told what became of it, and others have written. */
const late = Effect.fnUntraced(function* (
  { proxy }: Lane.Lane,
  what: "statement" | "COMMIT",
  nth: number,
  write: Lane.Write,
  others?: Effect.Effect<unknown>
) {
  // A COMMIT names no instant, and what comes before it is not late.
  const { hold, layer } = (what === "COMMIT" ? holdingValid : holding)(proxy)
  const message = yield* hold((sql) => (what === "COMMIT") === (sql === "COMMIT"), nth)
  const exit = yield* Effect.provide(write, layer)
  if (others !== undefined) yield* others
  return { exit, isCut: yield* message.arrive, isPutBack: others !== undefined }
})

/** Runs the write's statement on a connection of its own, and commits it once the caller has been told. */
const underWay = Effect.fnUntraced(function* ({ control, witness }: Lane.Lane, write: Lane.Write) {
  const own = yield* Effect.orDie(witness.reserve)
  // Nothing of the write's: its client must not know of this transaction, nor it of the client's statement.
  const outside = yield* Effect.context<never>()
  const apart = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.orDie(Effect.updateContext<A, E, never, never>(effect, () => outside))
  let begun = false
  const hold: Statement.Transformer = Effect.fnUntraced(function* (statement) {
    const [text, parameters] = statement.compile()
    const [parsed] = yield* Effect.orDie(Sql.parse(text))
    if (begun || parsed?.kind !== "dml") return statement
    begun = true
    yield* apart(own.execute("BEGIN ISOLATION LEVEL REPEATABLE READ", [], undefined))
    yield* apart(own.execute(text, parameters, undefined))
    yield* control.inject({ on: "statement", fault: "cut", nth: [1], label: Lane.label })
    return statement
  })
  const exit = yield* Effect.provideService(write, Statement.CurrentTransformer, hold)
  // It commits, or conflicts with whoever settled it.
  yield* Effect.ignore(own.executeRaw("COMMIT", []))
  return { exit, isCut: begun }
}, Effect.scoped)

const tellOf = (exit: Exit.Exit<unknown, unknown>): { readonly told: Told; readonly error: string | undefined } => {
  if (Exit.isSuccess(exit)) return { told: "applied", error: undefined }
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "None") return { told: "defect", error: String(Cause.squash(exit.cause)) }
  if (error.value instanceof DsqlError.CommitOutcomeUnknown) return { told: "unknown", error: error.value._tag }
  return {
    told: "not applied",
    error: Predicate.hasProperty(error.value, "_tag") ? String(error.value._tag) : "untagged"
  }
}

/** Applied once and told so, not applied and told so, or unknown and either. */
const isTrue = (told: Told, left: Cut["left"], { after, before }: Calm, { unknown }: Case): boolean => {
  if (left === "else" || told === "defect") return false
  if (told === "applied") return left === "after" || left === "twice"
  if (told === "unknown") return unknown
  return left === "before" || before === after
}

/** What others put back after the caller was told stays, unless he was told that nobody knows. */
const staysPutBack = (told: Told, left: Cut["left"], { after, before }: Calm, { unknown }: Case): boolean =>
  told !== "defect" && (left === "before" || before === after || (told === "unknown" && unknown))
