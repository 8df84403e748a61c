/**
 * `node src/main.ts retry|fence|unknown-outcome|batch`: runs one of the programs on an Aurora DSQL of its own.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Testing } from "@effect-dsql/testing"
import { Console, Effect, Layer } from "effect"
import * as batch from "./batch.ts"
import * as fence from "./fence.ts"
import * as retry from "./retry.ts"
import { Tables } from "./tables.ts"
import * as unknownOutcome from "./unknown-outcome.ts"

const programs = new Map([
  ["retry", Effect.orDie(retry.program)],
  ["fence", Effect.orDie(fence.program)],
  ["unknown-outcome", Effect.orDie(unknownOutcome.program)],
  ["batch", Effect.orDie(batch.program)]
])

const program = programs.get(process.argv[2] ?? "")

NodeRuntime.runMain(
  program === undefined
    ? Effect.andThen(
        Console.error(`name one of ${[...programs.keys()].join(", ")}`),
        Effect.sync(() => (process.exitCode = 2))
      )
    : Effect.provide(program, Tables.pipe(Layer.provideMerge(Testing.layer())))
)
