/**
 * What `probe` asks: what the toolkit sends and relies on, what a cluster answered once, what is known of clusters.
 */
import { Claim, Recording } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Stdio from "effect/Stdio"
import { fileURLToPath } from "node:url"
import type { SourceUnreadable } from "@effect-dsql/schema/SourceError"
import { InvalidUsage } from "../../Failure.ts"
import * as Files from "../files.ts"
import * as Claims from "./claims.ts"
import type { Probe } from "./probe.ts"
import { races } from "./races.ts"
import * as Recordings from "./recording.ts"
import { definitions, shapes, tables } from "./shapes.ts"
import { storageShapes } from "./storageShapes.ts"
import { transactions } from "./transactions.ts"

/** What the toolkit sends and relies on. */
export const own: ReadonlyArray<Probe> = [
  tables,
  ...shapes,
  ...storageShapes,
  ...transactions,
  ...races,
  ...definitions
]

type Questions = Effect.Effect<
  ReadonlyArray<Probe>,
  InvalidUsage | SourceUnreadable,
  FileSystem.FileSystem | Stdio.Stdio
>

/** Those of a recording, from a file. */
export const recorded = (path: string): Questions =>
  Effect.flatMap(Files.text(path), (text) =>
    Effect.mapError(
      Recording.parse(text),
      ({ line }) =>
        new InvalidUsage({ message: `${path}:${line} is no line of a recording: give one that probe wrote` })
    )
  ).pipe(Effect.flatMap(Recordings.probes))

const carried = (name: string): string => fileURLToPath(import.meta.resolve(`@effect-dsql/dialect/recordings/${name}`))

/** Those that a cluster was recorded to answer, and what else is known of clusters. */
export const known: Questions = Effect.gen(function* () {
  const answered = yield* recorded(carried("probes.jsonl"))
  return [...answered, ...(yield* Claims.probes(Claim.parse(yield* Files.text(carried("claims.tsv")))))]
})
