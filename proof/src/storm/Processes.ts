/**
 * The processes of a storm: one server, which comes back with its data, and workers, which are begun anew when they are
 * killed.
 */
import { Data, Deferred, Effect, Redacted, Stream } from "effect"
import { ChildProcess, type ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"

/** A process of the storm did what it must not. */
export class ProcessFailed extends Data.TaggedError("ProcessFailed")<{ readonly message: string }> {}

const script = (name: string) => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))

const spawn = (name: string, env: Readonly<Record<string, string>>) =>
  ChildProcess.make(process.execPath, [script(name)], { env, extendEnv: true, stderr: "inherit" })

type Handle = ChildProcessSpawner.ChildProcessHandle

const kill = (handle: Handle) => Effect.ignore(handle.kill({ killSignal: "SIGKILL" }))

/** The first line that a process says; none if it ends without. */
const firstLine = ({ stdout }: Handle) => stdout.pipe(Stream.decodeText(), Stream.splitLines, Stream.runHead)

/** Starts the server; `restart` kills it, and starts it again at the same port with what was stored. */
export const server = Effect.fnUntraced(function* (dataDirectory: string, seed: number) {
  const start = Effect.fnUntraced(function* (port: string | undefined) {
    const handle = yield* spawn("Server", {
      STORM_DATA: dataDirectory,
      STORM_SERVER_SEED: String(seed),
      ...(port !== undefined && { STORM_PORT: port })
    })
    const line = yield* firstLine(handle)
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

/** A worker, each life of which has an environment of its own. */
export const worker = Effect.fnUntraced(function* (
  name: string,
  env: (life: string) => Readonly<Record<string, string>>
) {
  const ready = yield* Deferred.make<void>()
  const state: { running: { readonly handle: Handle; killed: boolean } | undefined; over: boolean } = {
    running: undefined,
    over: false
  }
  const end = (handle: Handle) => Effect.ignore(Stream.run(Stream.empty, handle.stdin))
  return {
    /** Completes when the worker has done each kind of its work. */
    ready: Deferred.await(ready),
    /** Runs it, anew whenever it was killed, until it comes to its end by itself. */
    lives: Effect.gen(function* () {
      for (let life = 1; !state.over; life++) {
        const handle = yield* spawn("Worker", env(`${name}.${life}`))
        const current = { handle, killed: false }
        state.running = current
        yield* firstLine(handle)
        yield* Deferred.succeed(ready, undefined)
        if (state.over) yield* end(handle)
        // A process that ends by a signal has no exit code.
        const code = yield* Effect.option(handle.exitCode)
        if (code._tag === "Some" && code.value === 0) return
        if (!current.killed) return yield* new ProcessFailed({ message: `worker ${name} broke down` })
      }
    }),
    kill: Effect.suspend(() => {
      if (state.running === undefined) return Effect.void
      state.running.killed = true
      return kill(state.running.handle)
    }),
    /** Lets it finish what it is at. */
    end: Effect.suspend(() => {
      state.over = true
      return state.running === undefined ? Effect.void : end(state.running.handle)
    })
  }
})
