/**
 * The processes of the cluster, each of which may be killed, stopped and woken. None is left when the scope is closed.
 */
import { Context, Effect, Layer, Redacted, type Scope, type Sink, Stream } from "effect"
import { ChildProcess, type ChildProcessSpawner } from "effect/process"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"
import { Journal } from "./Journal.ts"
import * as Saying from "./Saying.ts"
import { host } from "./Settings.ts"

/** A process of the cluster. */
export interface Process {
  readonly name: string
  readonly kill: Effect.Effect<void>
  /** It is not run any more, and does not know; gives what wakes it. */
  readonly stop: Effect.Effect<Effect.Effect<void>>
  /** Gives it a word. */
  readonly tell: Effect.Effect<void>
  /** Asks it to end, and waits until it has. */
  readonly finish: Effect.Effect<void>
  /** Its exit code, once it has ended by itself. */
  readonly ended: Effect.Effect<number>
}

/** How processes are started. */
export class Processes extends Context.Service<
  Processes,
  {
    readonly runner: (name: string) => Effect.Effect<Process>
    readonly client: (name: string, orders: ReadonlyArray<string>) => Effect.Effect<Process>
    /** The name of the runner at an address. */
    readonly nameOf: (address: string) => string
  }
>()("workflows/Processes") {}

/**
 * Wakes a process when it is told to. A process that is stopped does not see that whoever stopped it is gone: then it
 * is killed.
 */
const waker = (pid: number) =>
  ChildProcess.make("sh", ["-c", 'if read -r _; then kill -CONT "$1"; else kill -KILL "$1"; fi', "sh", String(pid)])

const main = fileURLToPath(new URL("./main.ts", import.meta.url))

const word = <E>(input: Sink.Sink<void, Uint8Array, never, E>) =>
  Stream.run(Stream.make(new TextEncoder().encode("go on\n")), input)

const freePort = Effect.callback<number>((resume) => {
  const probe = createServer().listen(0, host, () => {
    const address = probe.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    probe.close(() => resume(Effect.succeed(port)))
  })
})

export const layer = (options: { readonly database: Redacted.Redacted; readonly fenced: boolean }) =>
  Layer.effect(
    Processes,
    Effect.gen(function* () {
      const journal = yield* Journal
      const context = yield* Effect.context<ChildProcessSpawner.ChildProcessSpawner | Scope.Scope>()
      const names = new Map<string, string>()

      const start = Effect.fnUntraced(
        function* (name: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) {
          const handle = yield* ChildProcess.make(process.execPath, [main, ...args], {
            env: {
              DSQL_URL: Redacted.value(options.database),
              DSQL_APPLICATION_NAME: name,
              WORKFLOWS_NAME: name,
              WORKFLOWS_FENCED: String(options.fenced),
              ...env
            },
            extendEnv: true,
            stdin: { stream: "pipe", endOnDone: false },
            stderr: "inherit",
            // One that is stopped hears nothing else.
            killSignal: "SIGKILL"
          })
          const heard = handle.stdout.pipe(
            Stream.decodeText(),
            Stream.splitLines,
            Stream.runForEach((line) => Effect.flatMap(Saying.decode(line), journal.note))
          )
          yield* Effect.forkScoped(heard)
          yield* journal.note({ _tag: "Started", name })
          yield* journal.until((events) => events.some(({ what }) => what._tag === "Ready" && what.name === name))
          const signal = (signal: NodeJS.Signals) => Effect.sync(() => void process.kill(handle.pid, signal))
          const running: Process = {
            name,
            kill: Effect.andThen(journal.note({ _tag: "Killed", name }), signal("SIGKILL")),
            stop: Effect.gen(function* () {
              const { exitCode, stdin } = yield* waker(handle.pid)
              yield* signal("SIGSTOP")
              yield* journal.note({ _tag: "Stopped", name })
              const wake = Effect.orDie(Effect.andThen(word(stdin), exitCode))
              return Effect.andThen(journal.note({ _tag: "Woken", name }), wake)
            }).pipe(Effect.provideContext(context), Effect.orDie),
            tell: Effect.orDie(word(handle.stdin)),
            finish: Effect.andThen(
              Effect.orDie(handle.kill({ killSignal: "SIGTERM" })),
              journal.note({ _tag: "Finished", name })
            ),
            ended: Effect.orDie(handle.exitCode)
          }
          return running
        },
        Effect.provideContext(context),
        Effect.orDie
      )

      return Processes.of({
        runner: Effect.fnUntraced(function* (name) {
          const port = yield* freePort
          names.set(`${host}:${port}`, name)
          return yield* start(name, ["runner"], { WORKFLOWS_PORT: String(port) })
        }),
        client: (name, orders) => start(name, ["client", ...orders], {}),
        nameOf: (address) => names.get(address) ?? address
      })
    })
  )
