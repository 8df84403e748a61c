/**
 * Properties 1, 2 and 4: no lock is asked for that the cluster does not know, a conditional write happens once, whole or not at all, and whatever two to four sessions do at
 * once is what they would have done one after the other.
 *
 * Each store is one and the same thing here: a token, writes that need it, and moves that need it and raise it by one.
 * Sessions step through their operations in an order that fast-check finds; what took effect, in the order of COMMIT,
 * must be what a counter would have allowed. Then the fence is taken out of the statements, and a schedule is found in
 * which it is not.
 */
import { Fence } from "@effect-dsql/core"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { Control } from "../support/emulated.ts"
import { type Fenced, type Store, stores } from "../support/fenced.ts"
import { describeEmulated, forms, inForm } from "../support/persistence.ts"
import {
  asItIs,
  interleave,
  mustFail,
  parameters,
  type Runs,
  type Rewrite,
  schedules,
  seed,
  tagOf
} from "../support/sessions.ts"

/** What a session does, and how often it takes the token for moved. */
interface Operation {
  readonly kind: "move" | "write"
  readonly at: number
}

const operations: fc.Arbitrary<ReadonlyArray<Operation>> = fc.array(
  fc.record({ kind: fc.constantFrom("move", "write"), at: fc.nat(1) }),
  { minLength: 1, maxLength: 2 }
)

const meetings = fc.tuple(fc.array(operations, { minLength: 2, maxLength: 4 }), schedules)

/** Runs a meeting, and says what is wrong with what came of it. */
const meet = Effect.fnUntraced(function* (
  store: Store,
  [sessions, schedule]: readonly [ReadonlyArray<ReadonlyArray<Operation>>, ReadonlyArray<number>],
  rewrite: Rewrite
) {
  const fenced = yield* store.given
  const committed: Array<Operation> = []
  const refused: Array<string> = []
  const exits = yield* interleave(
    sessions.map((operations) =>
      Effect.forEach(operations, (operation) =>
        ((operation.kind === "write" ? fenced.write : undefined) ?? fenced.move)(operation.at).pipe(
          Effect.match({
            onSuccess: () =>
              void committed.push(fenced.write === undefined ? { ...operation, kind: "move" } : operation),
            onFailure: (error) => void refused.push(tagOf(error))
          })
        )
      )
    ),
    schedule,
    rewrite
  )
  yield* Effect.forEach(exits, (exit) => exit)
  const foreign = refused.find((tag) => !store.refusals.includes(tag))
  if (foreign !== undefined) return `refused with ${foreign}`
  let token = 0
  for (const { at, kind } of committed) {
    if (at !== token) return `a ${kind} with token ${at} took effect at ${token}`
    if (kind === "move") token++
  }
  const { moves, writes } = yield* fenced.stored
  if (moves !== BigInt(token)) return `the token was moved ${moves} times, and ${token} were told so`
  const told = committed.filter(({ kind }) => kind === "write").length
  if (writes !== undefined && writes !== told) return `${writes} writes are there, and ${told} were told so`
  return undefined
})

describeEmulated(`In any order of steps (seed ${seed})`, (it) => {
  const check = Effect.fnUntraced(function* (store: Store, rewrite: Rewrite, runs: Runs) {
    const context = yield* Effect.context<Effect.Services<ReturnType<typeof meet>>>()
    const property = fc.asyncProperty(meetings, (meeting) =>
      Effect.runPromiseWith(context)(meet(store, meeting, rewrite)).then((wrong) => assert.isUndefined(wrong))
    )
    return yield* Effect.promise(() => fc.check(property, runs))
  })

  for (const [name, store] of Object.entries(stores)) {
    for (const form of forms) {
      it.effect(`${name} take effect one after the other, each with its token, guarded by one ${form}`, () =>
        Effect.gen(function* () {
          const result = yield* check(store, asItIs, parameters(5))
          assert.isFalse(result.failed, `${fc.defaultReportMessage(result)}\n${String(result.errorInstance)}`)
        }).pipe(Effect.provide(inForm(form)))
      )
    }

    for (const [what, rewrite] of Object.entries(store.fences)) {
      it.effect(`${name} would not, without ${what}`, () =>
        Effect.gen(function* () {
          const result = yield* check(store, rewrite, mustFail)
          assert.isTrue(result.failed)
          assert.match(String(result.errorInstance), /took effect at|are there|was moved/)
        })
      )
    }
  }

  it.effect("they do so as well where a cluster has no FOR KEY SHARE, and never ask for it there", () =>
    Effect.gen(function* () {
      const control = yield* Control
      const guarding = Object.values(stores).filter(({ fences }) => Object.keys(fences).length > 1)
      for (const { given, ...store } of guarding) {
        const older: Store = { ...store, given: Effect.map(given, onOlderCluster) }
        const result = yield* check(
          older,
          (text) => text.replace("FOR KEY SHARE", "FOR A LOCK THAT IS NOT THERE"),
          parameters(4)
        )
        assert.isFalse(result.failed, `${fc.defaultReportMessage(result)}\n${String(result.errorInstance)}`)
      }
      const locks = (yield* control.statements()).flatMap(
        ({ sql }) => sql.match(/FOR (?:[A-Z]+ )*(?:SHARE|UPDATE)/g) ?? []
      )
      assert.includeMembers(["FOR UPDATE", "FOR KEY SHARE"], locks)
    })
  )
})

/** The setting for clusters from before there was FOR KEY SHARE. */
const onOlderCluster = (fenced: Fenced): Fenced => {
  const older = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, Fence.SharedLock, "FOR UPDATE")
  return { ...fenced, move: (at) => older(fenced.move(at)), write: (at) => older((fenced.write ?? fenced.move)(at)) }
}
