/**
 * What `docs/round-trips.md` says.
 */
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
