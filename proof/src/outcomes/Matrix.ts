/**
 * Cuts a write at each step, and compares what it said with what it left.
 */
import { DsqlClient, DsqlError } from "@effect-dsql/core"
import { Statement as Sql } from "@effect-dsql/dialect"
import type { Control } from "@effect-dsql/emulator"
import { Persistence } from "@effect-dsql/persistence"
import { Cause, Context, Effect, Exit, Layer, Predicate, type Redacted } from "effect"
import { Statement } from "effect/sql"
import type { Case, Needs } from "./Case.ts"
import { names, type Step, steps } from "./Steps.ts"
import * as Tables from "./Tables.ts"

/** What the caller was told. */
export type Told = "applied" | "not applied" | "unknown" | "defect"

/** One cut: what the caller was told, and whether that is true. */
export interface Cut {
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

/** The label of the connections that are cut. */
const label = "outcomes"

/** More statements than any write here has. */
const most = 12

/** Tries writes on a database, and looks at it through connections that are not cut. */
export const make = Effect.fnUntraced(function* (url: Redacted.Redacted, control: Control.Control) {
  const broken = yield* Layer.build(DsqlClient.layerUrl({ url, applicationName: label }))
  const witness = Context.get(
    yield* Layer.build(DsqlClient.layerUrl({ url, applicationName: "witness" })),
    DsqlClient.DsqlClient
  )
  const tables = yield* Effect.provideService(Tables.make, DsqlClient.DsqlClient, witness)

  /** Stores that remember nothing of what was there before. */
  const fresh = <A, E>(effect: Effect.Effect<A, E, Needs>) =>
    Effect.provide(effect, Layer.provideMerge(Layer.fresh(Persistence.layer), Layer.succeedContext(broken)))

  /** The write on its rows, while `around` is done to it. */
  const tried = Effect.fnUntraced(function* (
    { given, write }: Case,
    around: (write: Effect.Effect<Exit.Exit<unknown, unknown>>) => Effect.Effect<Exit.Exit<unknown, unknown>>
  ) {
    yield* control.clear
    yield* tables.clear
    return yield* fresh(
      Effect.gen(function* () {
        yield* given
        const services = yield* Effect.context<Needs>()
        return yield* around(Effect.exit(Effect.provideContext(write, services)))
      })
    )
  })

  /** What the write does where nothing is cut. */
  const undisturbed = Effect.fnUntraced(function* (of: Case) {
    const states = { before: "", after: "", twice: "" }
    let inTransaction = false
    yield* tried(
      of,
      Effect.fnUntraced(function* (write) {
        states.before = yield* Effect.orDie(tables.rows)
        yield* control.reset
        const exit = yield* write
        if (Exit.isFailure(exit)) return yield* Effect.die(Cause.squash(exit.cause))
        inTransaction = (yield* control.statements(label)).some((arrival) => arrival.inTransaction)
        states.after = yield* Effect.orDie(tables.rows)
        if (of.again) yield* write
        states.twice = yield* Effect.orDie(tables.rows)
        return exit
      })
    )
    return { states, inTransaction }
  })

  /** Runs the write's statement on a connection of its own, and commits it once the caller has been told. */
  const held = Effect.fnUntraced(function* (write: Effect.Effect<Exit.Exit<unknown, unknown>>) {
    const own = yield* Effect.orDie(witness.reserve)
    let begun = false
    const hold: Statement.Transformer = Effect.fnUntraced(function* (statement) {
      const [text, parameters] = statement.compile()
      const [parsed] = yield* Effect.orDie(Sql.parse(text))
      if (begun || parsed?.kind !== "dml") return statement
      begun = true
      yield* Effect.orDie(own.execute("BEGIN ISOLATION LEVEL REPEATABLE READ", [], undefined))
      yield* Effect.orDie(own.execute(text, parameters, undefined))
      yield* control.inject({ on: "statement", fault: "cut", nth: [1], label })
      return statement
    })
    const exit = yield* Effect.provideService(write, Statement.CurrentTransformer, hold)
    // It commits, or conflicts with whoever settled it.
    yield* Effect.ignore(own.executeRaw("COMMIT", []))
    return exit
  }, Effect.scoped)

  /** Cuts a write wherever it can be cut. */
  const cuts = Effect.fnUntraced(function* (of: Case) {
    const { inTransaction, states } = yield* undisturbed(of)
    const found: Array<Cut> = []
    const judge = Effect.fnUntraced(function* (step: Step, nth: number, exit: Exit.Exit<unknown, unknown>) {
      const rows = yield* tables.rows
      const left =
        rows === states.after ? "after" : rows === states.before ? "before" : rows === states.twice ? "twice" : "else"
      const { error, told } = tellOf(exit)
      found.push({ step, nth, told, error, left, holds: isTrue(told, left, states.before === states.after) })
    })
    for (const step of names) {
      const rule = steps[step]
      if (rule === "held") {
        if (!inTransaction) yield* judge(step, 1, yield* tried(of, held))
        continue
      }
      for (let nth = 1; nth <= most; nth++) {
        const before = yield* happened(control)
        const exit = yield* tried(of, (write) => Effect.andThen(control.inject({ ...rule, nth: [nth], label }), write))
        // A write of fewer statements was not cut.
        if ((yield* happened(control)) === before) break
        yield* judge(step, nth, exit)
      }
    }
    return found
  })
  return { cuts }
})

const happened = (control: Control.Control) =>
  Effect.map(control.happened, (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0))

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
const isTrue = (told: Told, left: Cut["left"], changesNothing: boolean): boolean => {
  if (left === "else" || told === "defect") return false
  if (told === "applied") return left === "after" || left === "twice"
  return told === "unknown" || left === "before" || changesNothing
}
