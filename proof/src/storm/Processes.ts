/**
 * The processes of a storm: one server, which comes back with its data, and workers and runners, which are begun anew
 * when they are killed.
 */
import { Data, Effect, Latch, Queue, Redacted, Stream } from "effect"
import { ChildProcess, type ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import { freePort } from "../../../test/freePort.ts"
import * as Brake from "./runners/Brake.ts"

/** A process of the storm did what it must not. */
export class ProcessFailed extends Data.TaggedError("ProcessFailed")<{ readonly message: string }> {}

const script = (name: string) => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))

const spawn = (name: string, env: Readonly<Record<string, string>>, killSignal?: "SIGKILL") =>
  ChildProcess.make(process.execPath, [script(name)], { env, extendEnv: true, stderr: "inherit", killSignal })

type Handle = ChildProcessSpawner.ChildProcessHandle

const kill = (handle: Handle) => Effect.ignore(handle.kill({ killSignal: "SIGKILL" }))

const lines = ({ stdout }: Handle) => stdout.pipe(Stream.decodeText(), Stream.splitLines)

/** Starts the server; `restart` kills it, and starts it again at the same port with what was stored. */
export const server = Effect.fnUntraced(function* (dataDirectory: string, seed: number) {
  const start = Effect.fnUntraced(function* (port: string | undefined) {
    const handle = yield* spawn("Server", {
      STORM_DATA: dataDirectory,
      STORM_SERVER_SEED: String(seed),
      ...(port !== undefined && { STORM_PORT: port })
    })
    const line = yield* Stream.runHead(lines(handle)).pipe(
      Effect.timeoutOrElse({
        duration: "2 minutes",
        orElse: () => Effect.fail(new ProcessFailed({ message: "the server did not listen within two minutes" }))
      })
    )
    if (line._tag === "None") return yield* new ProcessFailed({ message: "the server ended before it listened" })
    return { handle, port: line.value }
  })
  let running = yield* start(undefined)
  return {
    url: Redacted.make(`postgres://admin@127.0.0.1:${running.port}/postgres`),
    restart: Effect.gen(function* () {
      yield* kill(running.handle)
      running = yield* start(running.port)
    })
  }
})

/** What each life of a process is told by its environment. */
type Environment = (life: string) => Readonly<Record<string, string>>

/** A life of a process, and what was done to it so that another one follows. */
interface Life {
  readonly handle: Handle
  ended: "killed" | "restarted" | undefined
}

/** A process that is begun anew until it is told that all is over. The first line of each life is that it is ready. */
const living = (
  script: string,
  name: string,
  env: Environment,
  says: (line: string) => Effect.Effect<unknown> = () => Effect.void
) => {
  const ready = Latch.makeUnsafe()
  const state: { running: Life | undefined; over: boolean } = { running: undefined, over: false }
  const end = (handle: Handle) => Effect.ignore(Stream.run(Stream.empty, handle.stdin))
  const withLife = (use: (life: Life) => Effect.Effect<void>) =>
    Effect.suspend(() => (state.running === undefined ? Effect.void : use(state.running)))
  return {
    /** Completes when it is ready. */
    ready: ready.await,
    /** Runs it, anew whenever it was killed or restarted, until it comes to its end by itself. */
    lives: Effect.gen(function* () {
      for (let number = 1; !state.over; number++) {
        // One that is stopped hears nothing else.
        const handle = yield* spawn(script, env(`${name}.${number}`), "SIGKILL")
        const life: Life = { handle, ended: undefined }
        state.running = life
        if (state.over) yield* end(handle)
        let isFirst = true
        yield* Stream.runForEach(lines(handle), (line) => {
          const told = isFirst ? ready.open : says(line)
          isFirst = false
          return told
        })
        // A process that ends by a signal has no exit code.
        const code = yield* Effect.option(handle.exitCode)
        if (life.ended === "killed") continue
        if (code._tag === "None" || code.value !== 0) {
          return yield* new ProcessFailed({ message: `${name} broke down` })
        }
        if (life.ended === undefined) return
      }
    }),
    kill: withLife((life) => {
      life.ended = "killed"
      return Effect.andThen(ready.close, kill(life.handle))
    }),
    /** Lets it finish what it is at, and begins it anew. */
    restart: withLife((life) => {
      life.ended = "restarted"
      return Effect.andThen(ready.close, Effect.andThen(end(life.handle), Effect.ignore(life.handle.exitCode)))
    }),
    /** Lets it finish what it is at. */
    end: Effect.suspend(() => {
      state.over = true
      return withLife(({ handle }) => end(handle))
    }),
    signal: (signal: NodeJS.Signals) =>
      withLife(({ handle }) => Effect.sync(() => void process.kill(handle.pid, signal)))
  }
}

/** A worker, which is ready when it has done each kind of its work. */
export const worker = (name: string, env: Environment) => living("Worker", name, env)

export type Worker = ReturnType<typeof worker>

/** A runner, all of whose lives listen at one port, and which may also be stopped and woken. */
export const runner = Effect.fnUntraced(function* (name: string, env: Environment) {
  const port = yield* Effect.promise(freePort)
  const said = yield* Queue.unbounded<string>()
  const { ready, signal, ...others } = living(
    "runners/Runner",
    name,
    (life) => ({ ...env(life), STORM_PORT: port }),
    (line) => Queue.offer(said, line)
  )
  const wake = signal("SIGCONT")
  return {
    ...others,
    ready,
    port,
    /** Stops it wherever it is, until what is given has ended. */
    stopped: <R>(until: Effect.Effect<void, never, R>) =>
      Effect.andThen(ready, Effect.andThen(signal("SIGSTOP"), Effect.ensuring(until, wake))),
    /** Has it stop in the midst of a step until what is given has ended, which is told the step; and go on with it. */
    stoppedInStep: Effect.fnUntraced(function* <R>(until: (step: Brake.Step) => Effect.Effect<void, never, R>) {
      yield* ready
      yield* signal(Brake.signal)
      yield* Effect.ensuring(
        Effect.flatMap(Queue.take(said), (line) => until(Brake.decode(line))),
        wake
      )
      yield* Queue.take(said)
    })
  }
})

export type Runner = Effect.Success<ReturnType<typeof runner>>
