/**
 * The processes of a storm: one server, which comes back with its data, and workers and runners, which are begun anew
 * when they are killed.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { ChildProcess, type ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import { freePort } from "../../../test/freePort.ts"
import * as Input from "./Input.ts"
import * as Brake from "./runners/Brake.ts"

/** A process of the storm did what it must not. */
export class ProcessFailed extends Data.TaggedError("ProcessFailed")<{ readonly message: string }> {}

const script = (name: string) => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))

const spawn = (name: string, env: Readonly<Record<string, string>>, killSignal?: "SIGKILL") =>
  ChildProcess.make(process.execPath, [script(name)], {
    env,
    extendEnv: true,
    // It ends with its input.
    stdin: { stream: "pipe", endOnDone: false },
    stderr: "inherit",
    killSignal
  })

/**
 * Wakes a process when it is told to. A process that is stopped does not see that whoever stopped it is gone: then it
 * is killed.
 */
const waker = (pid: number) =>
  ChildProcess.make("sh", ["-c", 'if read -r _; then kill -CONT "$1"; else kill -KILL "$1"; fi', "sh", String(pid)])

type Handle = ChildProcessSpawner.ChildProcessHandle

const kill = (handle: Handle) => Effect.ignore(handle.kill({ killSignal: "SIGKILL" }))

const say = ({ stdin }: Handle) => Effect.ignore(Stream.run(Stream.make(Input.word), stdin))

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
  readonly name: string
  readonly handle: Handle
  ended: "killed" | "restarted" | undefined
}

interface Told {
  /** Hears each line but the first. */
  readonly says?: (line: string) => Effect.Effect<unknown>
  /** How long it is waited for when it is told to end, before it is killed; until it ends where there is none. */
  readonly grace?: Duration.Input
}

/** A process that is begun anew until it is told that all is over. The first line of each life is that it is ready. */
const living = (script: string, name: string, env: Environment, { grace, says = () => Effect.void }: Told = {}) => {
  const ready = Latch.makeUnsafe()
  const state: { running: Life | undefined; over: boolean; forced: number } = {
    running: undefined,
    over: false,
    forced: 0
  }
  const withLife = <R>(use: (life: Life) => Effect.Effect<void, never, R>) =>
    Effect.suspend(() => (state.running === undefined ? Effect.void : use(state.running)))
  const killed = (life: Life) => {
    life.ended = "killed"
    // What comes next is done to the life that follows.
    if (state.running === life) state.running = undefined
    return Effect.andThen(ready.close, kill(life.handle))
  }
  const finished = (life: Life) =>
    Effect.andThen(say(life.handle), Effect.ignore(life.handle.exitCode)).pipe(
      Effect.timeoutOrElse({
        duration: grace ?? Duration.infinity,
        orElse: () => {
          state.forced++
          return killed(life)
        }
      })
    )
  return {
    /** Completes when it is ready. */
    ready: ready.await,
    /** The life that it is in, if it is in one. */
    running: Effect.sync(() => (state.running === undefined ? [] : [state.running.name])),
    /** How many of its lives did not end when they were told to, and were killed. */
    forced: Effect.sync(() => state.forced),
    /** Runs it, anew whenever it was killed or restarted, until it comes to its end by itself. */
    lives: Effect.gen(function* () {
      for (let number = 1; !state.over; number++) {
        // One that is stopped hears nothing else.
        const handle = yield* spawn(script, env(`${name}.${number}`), "SIGKILL")
        const life: Life = { name: `${name}.${number}`, handle, ended: undefined }
        state.running = life
        if (state.over) yield* say(handle)
        let isFirst = true
        yield* Stream.runForEach(lines(handle), (line) => {
          if (life.ended === "killed") return Effect.void
          const told = isFirst ? ready.open : says(line)
          isFirst = false
          return told
        })
        // A process that ends by a signal has no exit code: it is an error, which says the signal.
        const code = yield* Effect.result(handle.exitCode)
        if (life.ended === "killed") continue
        state.running = undefined
        if (code._tag === "Failure" || code.success !== 0) {
          const how = code._tag === "Failure" ? code.failure.message : `exit code ${code.success}`
          return yield* new ProcessFailed({ message: `${life.name} broke down: ${how}` })
        }
        if (life.ended === undefined) return
      }
    }),
    kill: withLife(killed),
    /** Lets it finish what it is at, and begins it anew. */
    restart: Effect.andThen(
      ready.await,
      withLife((life) => {
        life.ended = "restarted"
        return Effect.andThen(ready.close, finished(life))
      })
    ),
    /** Lets it finish what it is at. */
    end: Effect.suspend(() => {
      state.over = true
      return withLife(finished)
    }),
    /** Signals it, which stops it there or in a while, and wakes it when what is given has ended. */
    stopping: <R>(signal: NodeJS.Signals, until: Effect.Effect<void, never, R>) =>
      withLife(({ handle }) =>
        Effect.gen(function* () {
          const wakes = yield* waker(handle.pid)
          yield* Effect.sync(() => void process.kill(handle.pid, signal))
          yield* Effect.ensuring(until, Effect.andThen(say(wakes), Effect.ignore(wakes.exitCode)))
        }).pipe(Effect.scoped, Effect.orDie)
      )
  }
}

/** A worker, which is ready when it has done each kind of its work. */
export const worker = (name: string, env: Environment) => living("Worker", name, env)

export type Worker = ReturnType<typeof worker>

/** A runner, all of whose lives listen at one port, and which may also be stopped and woken. */
export const runner = Effect.fnUntraced(function* (name: string, env: Environment) {
  const port = yield* Effect.promise(freePort)
  const said = yield* Queue.unbounded<string>()
  const { ready, stopping, ...others } = living(
    "runners/Runner",
    name,
    (life) => ({ ...env(life), STORM_PORT: port }),
    // More than a lost answer takes to be settled, and than entities are given to end.
    { says: (line) => Queue.offer(said, line), grace: "20 seconds" }
  )
  return {
    ...others,
    ready,
    port,
    /** Stops it wherever it is, until what is given has ended. */
    stopped: <R>(until: Effect.Effect<void, never, R>) => Effect.andThen(ready, stopping("SIGSTOP", until)),
    /** Has it stop in the midst of a step until what is given has ended, which is told the step; and go on with it. */
    stoppedInStep: Effect.fnUntraced(function* <R>(until: (step: Brake.Step) => Effect.Effect<void, never, R>) {
      yield* ready
      yield* stopping(
        Brake.signal,
        Effect.flatMap(Queue.take(said), (line) => until(Brake.decode(line)))
      )
      yield* Queue.take(said)
    })
  }
})

export type Runner = Effect.Success<ReturnType<typeof runner>>
