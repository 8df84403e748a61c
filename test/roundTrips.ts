/**
 * What `docs/round-trips.md` says.
 */
import { Testing } from "@effect-dsql/testing"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"

const page = readFileSync(new URL("../docs/round-trips.md", import.meta.url), "utf8")

/** The rows of the table below a heading, cell by cell, without those that only divide it. */
export const table = (heading: string): ReadonlyArray<ReadonlyArray<string>> =>
  (page.split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "")
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .slice(2)
    .filter((line) => !line.startsWith("| **"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim())
    )

/** Those of some operations for which the page gives a reason why they take more than one round trip. */
export const explained = (operations: ReadonlyArray<string>): ReadonlyArray<string> =>
  table("Why more than one").flatMap(([operation = ""]) => (operations.includes(operation) ? [operation] : []))

/** An operation costs what the page says, which it rounds to hundredths; ids differ by a few digits, in each of many rows. */
export const costs = (
  operation: string,
  { read, write }: Effect.Success<ReturnType<typeof Testing.cost>>,
  dpu: number | undefined
): void => assert.closeTo(read + write, dpu ?? Number.NaN, Math.max(0.008, 0.02 * (dpu ?? 0)), operation)

/** Has the file's emulator count from here on, and say what things cost. */
export const watchedAnew = Effect.flatMap(Testing.Control, (control) => Effect.andThen(control.watch(), control.reset))

/** The same of what the file's emulator has done since it counts. */
export const costing = (operation: string, dpu: number | undefined) =>
  Effect.map(Testing.cost(), (cost) => costs(operation, cost, dpu))
