/**
 * The edge of the stores: whatever a caller hands over is looked at in one place, before anything is sent. Types are no
 * proof of it: an id may be a cast, and a bigint of any size is a bigint.
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Effect from "effect/Effect"
import { NumberInvalid, TextInvalid, type ValueInvalid } from "../../PersistenceError.ts"
import { flaw } from "./text.ts"

/** The largest BIGINT. */
export const largest = 2n ** 63n - 1n

/** Refuses a text or a number that no column takes, however deep it lies; bytes are any. */
export const check = (operation: string, given: ReadonlyArray<unknown>): Effect.Effect<void, ValueInvalid> =>
  Effect.suspend(() => {
    for (const [index, value] of given.entries()) {
      const flaw = find(value)
      if (flaw !== undefined) return Effect.fail(flaw.error(`${operation}: argument ${index + 1}${flaw.path}`))
    }
    return Effect.void
  })

/** An operation that is named in traces, and whose arguments are looked at. */
export const operation = <Given extends ReadonlyArray<unknown>, A, E, R>(
  name: string,
  body: (...given: Given) => Effect.Effect<A, E, R>
) =>
  Effect.fn(name)((...given: Given) =>
    Effect.andThen(
      check(name, given),
      Effect.suspend(() => body(...given))
    )
  )

/** The same of a store that has its client. */
export const connected =
  (client: DsqlClient["Service"]) =>
  <Given extends ReadonlyArray<unknown>, A, E>(
    name: string,
    body: (...given: Given) => Effect.Effect<A, E, DsqlClient>
  ) =>
    operation(name, (...given: Given) => Effect.provideService(body(...given), DsqlClient, client))

/** What is wrong, and where it lies in an argument. */
interface Flaw {
  readonly path: string
  readonly error: (where: string) => ValueInvalid
}

const find = (value: unknown): Flaw | undefined => {
  if (typeof value === "string") return ofText(value)
  if (typeof value === "bigint") return ofNumber(value)
  return typeof value !== "object" || value === null || ArrayBuffer.isView(value) ? undefined : inside(value)
}

const inside = (value: object): Flaw | undefined => {
  const isCollection = Array.isArray(value) || value instanceof Map || value instanceof Set
  const entries: Iterable<readonly [unknown, unknown]> = isCollection ? value.entries() : Object.entries(value)
  for (const [key, each] of entries) {
    const inKey = find(key)
    if (inKey !== undefined) return inKey
    const flaw = find(each)
    if (flaw !== undefined) return { ...flaw, path: `.${String(key)}${flaw.path}` }
  }
  return undefined
}

const ofText = (text: string): Flaw | undefined => {
  const reason = flaw(text)
  return reason === undefined ? undefined : { path: "", error: (where) => new TextInvalid({ where, reason }) }
}

const ofNumber = (value: bigint): Flaw | undefined => {
  const reason = "it takes more than the 64 bits of a BIGINT"
  return BigInt.asIntN(64, value) === value
    ? undefined
    : { path: "", error: (where) => new NumberInvalid({ where, value, reason }) }
}
