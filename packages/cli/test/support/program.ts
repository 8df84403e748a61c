/**
 * The command line called in this process: what a process of it would print and end with, without the second that Node
 * takes to load one. `program.test.ts` holds the two beside each other.
 */
import { Cli, ExitCode } from "@effect-dsql/cli"
import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Console, Effect, Layer, Semaphore, Stdio, Stream } from "effect"
import { TerminalCapabilities } from "effect/cli"
import { Console as NodeConsole } from "node:console"
import { type Ended, environment, type Variables } from "./process.ts"

interface Options {
  readonly cwd?: string
  readonly input?: string | Uint8Array
}

/** Calls the command line, and gives what it printed when it has ended. */
export const call = (args: ReadonlyArray<string>, variables: Variables = {}, { cwd, input = "" }: Options = {}) => {
  const env = environment(variables)
  return inside(env, cwd, (printed) =>
    Cli.run(args).pipe(
      Effect.as<number>(ExitCode.ExitCode.ok),
      Effect.catchTag("Stop", ({ exitCode }) => Effect.succeed<number>(exitCode)),
      Effect.map((code): Ended => ({ code, ...printed() })),
      Effect.provide(TerminalCapabilities.layer),
      Effect.provide(
        Layer.mergeAll(
          // Neither stream is a terminal.
          Stdio.layerTest({ stdin: Stream.make(typeof input === "string" ? new TextEncoder().encode(input) : input) }),
          ConfigProvider.layer(ConfigProvider.fromEnvRecord(env)),
          Layer.succeed(Console.Console, new NodeConsole(process.stdout, process.stderr))
        )
      ),
      Effect.provide(NodeServices.layer)
    )
  )
}

// What a process has one of, one call has at a time.
const alone = Semaphore.makeUnsafe(1)

/** Runs an effect, with nothing of the test's context, where a process would run: with its variables, in its directory. */
const inside = <A>(
  env: Variables,
  cwd: string | undefined,
  use: (printed: () => Pick<Ended, "stdout" | "stderr">) => Effect.Effect<A>
): Effect.Effect<A> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const outside = { env: process.env, cwd: process.cwd() }
      const stdout = capture(process.stdout)
      const stderr = capture(process.stderr)
      process.env = { ...env }
      if (cwd !== undefined) process.chdir(cwd)
      return { outside, stdout, stderr }
    }),
    ({ stderr, stdout }) => {
      const effect = use(() => ({ stdout: stdout.text(), stderr: stderr.text() }))
      return Effect.promise((signal) => Effect.runPromise(effect, { signal }))
    },
    ({ outside, stderr, stdout }) =>
      Effect.sync(() => {
        process.chdir(outside.cwd)
        process.env = outside.env
        stderr.release()
        stdout.release()
      })
  ).pipe(alone.withPermit)

/** Keeps what is written to a stream of this process, whoever writes it. */
const capture = (stream: NodeJS.WriteStream) => {
  const { write } = stream
  let text = ""
  stream.write = (chunk: string | Uint8Array, ...rest: ReadonlyArray<unknown>) => {
    text += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString()
    const written = rest.at(-1)
    if (typeof written === "function") written()
    return true
  }
  return {
    text: () => text,
    release: () => {
      stream.write = write
    }
  }
}
