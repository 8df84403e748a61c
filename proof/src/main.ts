/**
 * `pnpm proof`: one history through the stores and as plain SQL; then a storm of faults over workers and runners, and what
 * it left.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Clock, Console, Effect, Option } from "effect"
import { CliConfig, CliOutput, Command, Flag, GlobalFlag } from "effect/cli"
import * as Interoperability from "./interoperability/Interoperability.ts"
import * as Migrated from "./storm/Migrated.ts"
import * as Report from "./storm/Report.ts"
import * as Storm from "./storm/Storm.ts"

const proof = Command.make(
  "proof",
  {
    seconds: Flag.Int("seconds").pipe(
      Flag.withDescription("How long the storm lasts: 5 or more"),
      Flag.withDefault(Storm.standard.seconds)
    ),
    seed: Flag.String("seed").pipe(
      Flag.withDescription("The same seed gives the same faults at the same times [default: a new one]"),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print the result as JSON"), Flag.withDefault(false))
  },
  Effect.fnUntraced(
    function* (input) {
      if (input.seconds < 5) return yield* failed(`--seconds ${input.seconds}: a storm lasts 5 seconds or more`, 2)
      const seed = Option.getOrElse(input.seed, () => "")
      const options = {
        ...Storm.standard,
        seconds: input.seconds,
        seed: seed || String(yield* Clock.currentTimeMillis)
      }
      const interoperability = yield* Migrated.make(1).pipe(
        Effect.flatMap(({ client }) => Effect.provideContext(Interoperability.run, client)),
        Effect.scoped
      )
      if (!input.json) yield* Console.log(`${Interoperability.table(interoperability)}\n`)
      if (!input.json) yield* Console.log(`A storm of ${options.seconds} s; to repeat it: --seed ${options.seed}`)
      const result = yield* Effect.scoped(Storm.run(options))
      yield* Console.log(
        input.json
          ? JSON.stringify({ ...Report.json(result), interoperability }, undefined, 2)
          : `\n${Report.table(result)}`
      )
      if (interoperability.differences.length > 0) yield* failed("the two systems do not leave the same rows", 1)
      if (!Report.holds(result)) yield* failed(`what was promised does not hold, seed ${options.seed}`, 1)
    },
    Effect.catchTag(["ProcessFailed", "StepFailed"], ({ message }) => failed(message, 1))
  )
).pipe(Command.withDescription("Break a local Aurora DSQL under working processes, and check what they were told"))

const failed = (message: string, code: number) =>
  Effect.sync(() => {
    process.stderr.write(`${message}\n`)
    process.exitCode = code
  })

Command.run(proof, { version: "0.1.0" }).pipe(
  // One line, not a page of help.
  Effect.catchTag("ShowHelp", ({ errors: [error] }) =>
    error === undefined ? Effect.void : failed(`${error.message.replaceAll(/\s+/g, " ")}: see pnpm proof --help`, 2)
  ),
  Effect.updateService(CliOutput.Presenter, ({ present }) => ({
    present: (event) => (event._tag === "InvalidInvocation" ? Effect.void : present(event))
  })),
  Effect.provide([CliConfig.layer({ builtIns: [GlobalFlag.Help] }), NodeServices.layer]),
  NodeRuntime.runMain
)
