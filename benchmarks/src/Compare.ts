/**
 * Measures contenders side by side: in turns, in one process, on one server.
 *
 * A machine's speed drifts within a run, so every round runs every contender, in
 * an order that rotates, and what is reported is the median of the ratios of one
 * round. Absolute times say something of this machine alone.
 */
import { Clock, Console, Effect } from "effect"

/** Something that does the work under comparison once. */
export interface Contender<R> {
  readonly name: string
  readonly once: Effect.Effect<unknown, unknown, R>
  /** Round trips to its server so far, where they are counted. */
  readonly roundTrips?: (() => number) | undefined
}

export interface Options {
  /** How often each contender works in a round. */
  readonly operations: number
  readonly rounds: number
  /** How many operations run at a time. */
  readonly concurrency: number
  /** A contender that the others are measured against too, beside the first one. */
  readonly beside?: string
  /** How many things one operation does, each of which is counted. Default: 1. */
  readonly units?: number
}

/** How a contender compared. */
export interface Compared {
  readonly name: string
  /** The median of what one operation takes, in microseconds. */
  readonly micros: number
  /** The median of what this process takes of the processors, a proxy or an emulator in it included, in microseconds. */
  readonly processor: number
  /** The median of its times in those of the first contender. */
  readonly ratio: number
  /** The median of the round trips of one operation, where they are counted. */
  readonly roundTrips: number | undefined
}

/** Prints how the contenders compare, and gives it; the first is what the others are measured against. */
export const compare = Effect.fnUntraced(function* <R>(
  title: string,
  contenders: ReadonlyArray<Contender<R>>,
  options: Options
) {
  const times = new Map(contenders.map((contender) => [contender.name, Array<number>()]))
  const processor = new Map(contenders.map((contender) => [contender.name, Array<number>()]))
  const trips = new Map(contenders.map((contender) => [contender.name, Array<number>()]))
  const isCounted = contenders.some(({ roundTrips }) => roundTrips !== undefined)
  for (const contender of contenders) yield* batch(contender, options)
  for (let round = 0; round < options.rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const contender = contenders[(round + turn) % contenders.length]
      if (contender === undefined) continue
      const before = contender.roundTrips?.()
      const spent = yield* batch(contender, options)
      times.get(contender.name)?.push(spent.millis)
      processor.get(contender.name)?.push(spent.processor)
      if (before !== undefined) trips.get(contender.name)?.push((contender.roundTrips?.() ?? before) - before)
    }
  }
  const baseline = times.get(contenders[0]?.name ?? "") ?? []
  const beside = options.beside === undefined ? undefined : times.get(options.beside)
  const besideTitle = `  to ${options.beside}`
  const of = (measured: ReadonlyArray<number>, baseline: ReadonlyArray<number>) =>
    median(measured.map((time, round) => time / (baseline[round] ?? time)))
  yield* Console.log(`\n${title} (${options.concurrency} at a time, ${options.rounds} rounds of ${options.operations})`)
  yield* Console.log(
    `  ${"".padEnd(44)}${"median".padStart(12)}${"processor".padStart(12)}${"per second".padStart(12)}${"ratio".padStart(8)}` +
      (beside === undefined ? "" : besideTitle) +
      (isCounted ? "round trips".padStart(13) : "")
  )
  const count = options.operations * (options.units ?? 1)
  const found = [...times].map(([name, measured]): Compared => {
    const counted = trips.get(name) ?? []
    return {
      name,
      micros: (1_000 * median(measured)) / count,
      processor: (1_000 * median(processor.get(name) ?? [])) / count,
      ratio: of(measured, baseline),
      roundTrips: counted.length === 0 ? undefined : median(counted) / count
    }
  })
  for (const { micros, name, processor, ratio, roundTrips } of found) {
    yield* Console.log(
      `  ${name.padEnd(44)}${`${micros.toFixed(0)} us`.padStart(12)}${`${processor.toFixed(0)} us`.padStart(12)}` +
        `${(1e6 / micros).toFixed(0).padStart(12)}${ratio.toFixed(2).padStart(8)}` +
        (beside === undefined
          ? ""
          : of(times.get(name) ?? [], beside)
              .toFixed(2)
              .padStart(besideTitle.length)) +
        (isCounted ? (roundTrips?.toFixed(2) ?? "").padStart(13) : "")
    )
  }
  return found
})

/** What a contender takes for all operations of a round: milliseconds, and those of processors in this process. */
const batch = <R>(contender: Contender<R>, options: Options) =>
  Effect.gen(function* () {
    const start = yield* Clock.monotonicTimeNanos
    const before = process.cpuUsage()
    const share = Effect.replicateEffect(contender.once, options.operations / options.concurrency, { discard: true })
    yield* Effect.all(
      Array.from({ length: options.concurrency }, () => share),
      {
        concurrency: "unbounded",
        discard: true
      }
    )
    const { system, user } = process.cpuUsage(before)
    return { millis: Number((yield* Clock.monotonicTimeNanos) - start) / 1e6, processor: (user + system) / 1e3 }
  })

/** The one in the middle, or between the two there. */
export const median = (numbers: ReadonlyArray<number>): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2
}
