/**
 * What a process holds while it lives, looked at again and again: what grows with time, and not with what it is at, is
 * lost somewhere.
 */
import { DsqlClient } from "@effect-dsql/core"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { appendFileSync, readdirSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { Check } from "./Checks.ts"

/** What can grow, and how much more of it is no growth yet. */
const figures = {
  /** Mebibytes that are reachable. */
  memory: 8,
  connections: 2,
  /** Open ones, where the system says which; sockets are among them. */
  files: 4,
  /** Prepared ones of a session. */
  statements: 10
} as const

export type Figure = keyof typeof figures

const names = Object.keys(figures) as ReadonlyArray<Figure> // The record has exactly these keys.

const Vitals = Schema.Struct({
  memory: Schema.Finite,
  connections: Schema.Int,
  files: Schema.Int,
  statements: Schema.Int
}) satisfies Schema.Codec<Readonly<Record<Figure, number>>>

export type Vitals = typeof Vitals.Type

const json = Schema.fromJsonString(Vitals)

const encode = Schema.encodeSync(json)

const decode = Schema.decodeUnknownSync(json)

/** What was noted in a file. A line that was not finished is none. */
export const parse = (text: string): ReadonlyArray<Vitals> =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => decode(line))

/** Milliseconds between two looks. */
const pause = 1000

const openFiles = (): number => {
  try {
    return readdirSync("/proc/self/fd").length
  } catch {
    return 0
  }
}

/** Notes what this process holds, once a second, until it is interrupted. */
export const note = (path: string) =>
  Effect.gen(function* () {
    setFlagsFromString("--expose-gc")
    // The function that V8 gives to code that may ask for a collection.
    const collect = runInNewContext("gc") as () => void
    const { sql } = yield* DsqlClient.DsqlClient
    const prepared = sql<{ readonly count: bigint }>`SELECT count(*) AS count FROM pg_prepared_statements`
    yield* Effect.gen(function* () {
      const [row] = yield* prepared
      collect()
      const vitals: Vitals = {
        memory: process.memoryUsage().heapUsed / 2 ** 20,
        connections: process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length,
        files: openFiles(),
        statements: Number(row?.count ?? 0)
      }
      appendFileSync(path, `${encode(vitals)}\n`)
      // In a storm nobody is answered always.
    }).pipe(Effect.ignore, Effect.repeat(Schedule.spaced(pause)))
  })

/** Of each figure, what it was once the process had warmed up, and what it was at the end. */
export type Growth = Readonly<Record<Figure, { readonly early: number; readonly late: number }>>

const median = (numbers: ReadonlyArray<number>): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

/** Compares the second fifth of a life with its last. */
export const growth = (life: ReadonlyArray<Vitals>): Growth => {
  const fifth = Math.max(1, Math.floor(life.length / 5))
  const of = (figure: Figure) => ({
    early: median(life.slice(fifth, 2 * fifth).map((vitals) => vitals[figure])),
    late: median(life.slice(-fifth).map((vitals) => vitals[figure]))
  })
  return { memory: of("memory"), connections: of("connections"), files: of("files"), statements: of("statements") }
}

/** Seconds after which what is still growing is no warming up. */
export const enough = 600

/** Whether a process that lived through a storm holds more at its end. */
export const check = (found: Growth): Check => ({
  promise: "nothing grows in a process that lives",
  broken: names
    .filter((name) => found[name].late > found[name].early * 1.1 + figures[name])
    .map((name) => `${name}: ${found[name].early.toFixed(1)}, later ${found[name].late.toFixed(1)}`)
})

/** The figures for people. */
export const lines = (found: Growth): ReadonlyArray<string> =>
  names.map((name) => {
    const { early, late } = found[name]
    const unit = name === "memory" ? `${name}, MiB` : name
    return `  ${unit.padEnd(30)}${early.toFixed(1).padStart(12)}${late.toFixed(1).padStart(12)}`
  })
