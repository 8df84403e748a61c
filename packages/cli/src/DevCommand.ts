/**
 * `dev`: an Aurora DSQL on this machine, until it is stopped.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { Emulator } from "@effect-dsql/emulator/Emulator"
import { Command, Flag, TerminalCapabilities } from "effect/cli"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createSecureContext } from "node:tls"
import * as Connection from "./Connection.ts"
import { InvalidUsage } from "./Failure.ts"
import * as FaultSyntax from "./FaultSyntax.ts"
import { portOf } from "./internal/port.ts"
import * as Desk from "./internal/desk.ts"
import * as Files from "./internal/files.ts"
import * as Migrating from "./internal/migrating.ts"
import * as Json from "./Json.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"
import * as Root from "./Root.ts"

const pathFlag = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("path"), Flag.withDescription(description), Flag.optional)

/**
 * Prints a `Json.Listening` once clients can connect, and runs until Ctrl-C or
 * SIGTERM.
 *
 * @since 0.1.0
 * @category commands
 */
export const dev = Command.make(
  "dev",
  {
    dataDir: pathFlag("data-dir", "Directory that keeps the data; made where it is missing [default: .data/dsql]"),
    ephemeral: Flag.Boolean("ephemeral").pipe(
      Flag.withDescription("Keep nothing: the data goes when it stops"),
      Flag.withDefault(false)
    ),
    tlsCert: pathFlag("tls-cert", "Certificate, PEM, for clients that ask for TLS; needs --tls-key"),
    tlsKey: pathFlag("tls-key", "Key of the certificate, PEM"),
    fault: Flag.String("fault").pipe(
      Flag.withMetavar("fault@event[:when]"),
      Flag.withDescription(
        "What goes wrong, such as conflict@commit:3, cut@statement:1,4, unavailable@commit:10%:times=2:label=orders or latency:20ms; repeatable"
      ),
      Flag.atLeast(0)
    ),
    tokens: Flag.String("tokens").pipe(
      Flag.withMetavar("host"),
      Flag.withDescription(
        "Ask clients for a token for this host, and check its form, action and expiry; its signature too where AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set"
      ),
      Flag.optional
    ),
    jobDelay: Flag.Int("job-delay").pipe(
      Flag.withMetavar("milliseconds"),
      Flag.withDescription("How long a job takes, such as the building of an index [default: 2000]"),
      Flag.withDefault(2_000)
    ),
    seed: Flag.Int("seed").pipe(
      Flag.withDescription("Decides which events a share such as 10% means; the same seed, the same ones [default: 1]"),
      Flag.withDefault(1)
    ),
    console: Flag.Boolean("console").pipe(
      Flag.withDescription(
        "Serve a page on 127.0.0.1 that shows who meets whom; --no-console for none, which is also faster [default: true]"
      ),
      Flag.withDefault(true)
    ),
    consolePort: Flag.Int("console-port").pipe(
      Flag.withMetavar("number"),
      Flag.withDescription("Port of that page [default: a free one]"),
      Flag.optional
    ),
    watch: Flag.Boolean("watch").pipe(
      Flag.withDescription("Print each transaction when it ends, and whom it met where it lost"),
      Flag.withDefault(false)
    ),
    explain: Flag.Boolean("explain").pipe(
      Flag.withDescription("Say in a conflict's DETAIL which row it was and who was first, which the service does not"),
      Flag.withDefault(false)
    ),
    ...Migrating.sourceFlags
  },
  Effect.fnUntraced(function* (input) {
    const shared = yield* Root.shared
    yield* Connection.connectsToNothing(shared, "dev", ["port"])
    const port = yield* Connection.port(shared)
    const consolePort = yield* consolePortOf(input)
    const faults = yield* Effect.forEach(input.fault, FaultSyntax.parse)
    const tls = yield* certificate(input.tlsCert, input.tlsKey)
    const credentials = yield* credentialsOf
    const dataDirectory = yield* kept(input)
    const isAsked = Option.isSome(Option.orElse(input.schemaDir, () => input.schemaName))
    const asked =
      isAsked || shared.project["schema-dir"] !== undefined ? yield* Migrating.sourceOf(input, shared) : undefined
    // Loaded now: nothing else needs a database of its own.
    const Emulator = yield* Effect.promise(() => import("@effect-dsql/emulator/Emulator"))
    const Token = yield* Effect.promise(() => import("@effect-dsql/emulator/Token"))
    const check = Option.map(input.tokens, (host) => Token.check({ host, credentials }))
    // The schema is set up by nobody who has a token.
    let isOpen = asked !== undefined
    const authorize = Option.getOrUndefined(
      Option.map(check, (check) => (token: string, user: string) => (isOpen ? "ok" : check(token, user)))
    )
    yield* Effect.scoped(
      Effect.gen(function* () {
        const emulator = yield* Emulator.make({
          dataDirectory,
          port,
          tls,
          authorize,
          jobDelay: input.jobDelay,
          seed: input.seed,
          watch: input.watch,
          explain: input.explain
        }).pipe(
          Effect.catchIf(
            (error) => error._tag === "PostgresError" && error.reason === "foreign",
            ({ message }) => Effect.fail(new InvalidUsage({ message: `--data-dir ${message}` }))
          )
        )
        // What is to go wrong goes wrong after the schema is there.
        const schema = asked === undefined ? null : yield* applied(shared, emulator, asked)
        isOpen = false
        for (const scripted of faults) {
          yield* scripted._tag === "Rule"
            ? emulator.control.inject(scripted.rule)
            : emulator.control.latency(scripted.millis)
        }
        const console = input.console ? yield* consoleOf(emulator, consolePort, input.seed) : null
        const url = `${Redacted.value(emulator.url())}${tls === undefined ? "" : "?sslmode=require"}`
        if (dataDirectory !== undefined) yield* Desk.open(dataDirectory, { url, console, pid: process.pid })
        const listening = {
          host: emulator.host,
          port: emulator.port,
          url,
          dataDirectory: dataDirectory ?? null,
          console,
          schema
        }
        yield* Output.print(shared, Json.Listening, listening, (paint) => text(listening, paint))
        if (!input.watch) return yield* emulator.ended
        const Trail = yield* Effect.promise(() => import("./Trail.ts"))
        const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
        const known = yield* emulator.control.transactions()
        const from = Math.max(0, ...known.map(({ revision }) => revision))
        const trail = Trail.follow(shared, (after) => changesOf(emulator, after), from, Output.painter(canColor))
        return yield* Effect.raceFirst(emulator.ended, trail)
      })
    )
  })
).pipe(
  Command.annotate(Connection.Takes, ["port", "db-name"]),
  Command.withDescription(`Run an Aurora DSQL on this machine, emulated: its dialect, its conflicts, its limits. For development and tests.

  It listens on 127.0.0.1, at --port. Ctrl-C stops it; the data stays.`),
  Command.withShortDescription("Run an Aurora DSQL on this machine, emulated, until Ctrl-C"),
  Command.withExamples([
    { command: "effect-dsql dev --port 5433", description: "Keep the data in .data/dsql" },
    {
      command: "effect-dsql dev --schema-dir schema",
      description: "With the latest version of a schema of your own; after an edit of its files, start it again"
    },
    {
      command: "effect-dsql dev --ephemeral --fault conflict@commit:10% --seed 7",
      description: "An empty database on which one COMMIT in ten fails"
    }
  ])
)

const changesOf = (emulator: Emulator, after: number) =>
  Effect.andThen(emulator.control.changes(after), emulator.control.transactions(after))

/** Where the console is to listen; undefined for any free port. */
const consolePortOf = Effect.fnUntraced(function* (input: {
  readonly console: boolean
  readonly consolePort: Option.Option<number>
}) {
  const port = Option.getOrUndefined(input.consolePort)
  if (port === undefined) return undefined
  if (!input.console) {
    return yield* new InvalidUsage({ message: "--no-console and --console-port exclude each other: give one" })
  }
  return yield* portOf(String(port), `--console-port ${port}`)
})

/** Serves the console, and gives its address. */
const consoleOf = Effect.fnUntraced(function* (emulator: Emulator, port: number | undefined, seed: number) {
  const Console = yield* Effect.promise(() => import("@effect-dsql/console/Console"))
  const served = yield* Console.serve(emulator, { port, seed }).pipe(
    Effect.mapError(({ message }) => new InvalidUsage({ message: `--console-port: ${message}` }))
  )
  return Redacted.value(served.url)
})

const text = (
  { console, dataDirectory, host, port, schema, url }: typeof Json.Listening.Type,
  paint: Output.Paint
): string =>
  [
    `${paint("good", "ready")}: Aurora DSQL, emulated, at ${host}:${port}; ${
      dataDirectory === null ? "nothing is kept" : `data in ${dataDirectory}`
    }`,
    ...(schema === null ? [] : [`${schema.name} is at ${schema.version}`]),
    "",
    `  psql "${url}"`,
    `  export DSQL_URL="${url}"`,
    ...(console === null ? [] : ["", `who meets whom: ${console}`]),
    "",
    "press Ctrl-C to stop"
  ].join("\n")

/** Sets a schema up, or brings one that was kept to its latest version. */
const applied = Effect.fnUntraced(function* (
  options: Output.Options,
  emulator: Emulator,
  { database, source }: Migrating.Asked
) {
  const onEvent = yield* Progress.onStandardError(options)
  const settings: Connection.Settings = {
    _tag: "Server",
    options: { host: emulator.host, port: emulator.port, user: "admin", database: "postgres", maxConnections: 2 }
  }
  const report = yield* Migrating.migrate(settings, (migrator) => migrator.setup({ source, database, onEvent }))
  return { name: report.schema, version: report.to }
})

/** The credentials of the environment, with which tokens are signed. */
const credentialsOf = Effect.gen(function* () {
  const accessKeyId = yield* Effect.orDie(Config.option(Config.String("AWS_ACCESS_KEY_ID")))
  const secretAccessKey = yield* Effect.orDie(Config.option(Config.Redacted("AWS_SECRET_ACCESS_KEY")))
  return Option.isSome(accessKeyId) && Option.isSome(secretAccessKey)
    ? { accessKeyId: accessKeyId.value, secretAccessKey: secretAccessKey.value }
    : undefined
})

interface Input {
  readonly dataDir: Option.Option<string>
  readonly ephemeral: boolean
}

/** The directory that keeps the data, or undefined for none. */
const kept = Effect.fnUntraced(function* ({ dataDir, ephemeral }: Input) {
  if (ephemeral) {
    if (Option.isNone(dataDir)) return undefined
    return yield* new InvalidUsage({ message: "--data-dir and --ephemeral exclude each other: give one" })
  }
  return Option.getOrElse(dataDir, () => ".data/dsql")
})

const certificate = Effect.fnUntraced(function* (certPath: Option.Option<string>, keyPath: Option.Option<string>) {
  if (Option.isNone(certPath) && Option.isNone(keyPath)) return undefined
  if (Option.isNone(certPath) || Option.isNone(keyPath)) {
    return yield* new InvalidUsage({ message: "--tls-cert and --tls-key need each other: give both" })
  }
  const cert = yield* Files.text(certPath.value)
  const key = yield* Files.text(keyPath.value)
  return yield* Effect.try({
    try: () => {
      createSecureContext({ cert, key })
      return { cert, key }
    },
    catch: () =>
      new InvalidUsage({
        message: `${certPath.value} and ${keyPath.value} are not a certificate and its key: give both as PEM`
      })
  })
})
