/**
 * `tail`: the transactions of an Aurora DSQL that `dev` runs, as they end.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Redacted from "effect/Redacted"
import * as Connection from "./Connection.ts"
import { CannotConnect, InvalidUsage } from "./Failure.ts"
import * as Desk from "./internal/desk.ts"
import * as Output from "./Output.ts"
import * as Root from "./Root.ts"

/** Milliseconds that one question waits for something to happen. */
const patience = 20_000

/**
 * Follows the transactions of a running `dev`, until Ctrl-C. As JSON, each is a `Watch.Transaction` of
 * `@effect-dsql/emulator` on a line.
 *
 * @since 0.1.0
 * @category commands
 */
export const tail = Command.make(
  "tail",
  {
    address: Argument.String("url").pipe(
      Argument.withDescription("Where it listens, as `dev` printed it [default: what runs over --data-dir]"),
      Argument.optional
    ),
    dataDir: Flag.String("data-dir").pipe(
      Flag.withMetavar("path"),
      Flag.withDescription("The directory that it keeps its data in [default: .data/dsql]"),
      Flag.withDefault(".data/dsql")
    ),
    all: Flag.Boolean("all").pipe(
      Flag.withDescription("Begin with the transactions that it still knows"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ address, all, dataDir }) {
    const shared = yield* Root.shared
    yield* Connection.connectsToNothing(shared, "tail", [])
    const url = Option.getOrUndefined(address) ?? (yield* Desk.find(dataDir))?.url
    if (url === undefined) {
      return yield* new InvalidUsage({
        message: `nothing runs over ${dataDir}: start \`dev\`, or give the url that it printed`
      })
    }
    if (!URL.canParse(url) || !/^postgres(?:ql)?:$/.test(new URL(url).protocol)) {
      return yield* new InvalidUsage({
        message: `${JSON.stringify(url)} is no address: give the postgres:// url that dev printed`
      })
    }
    // Loaded now: nothing else asks an emulator.
    const PgClient = yield* Effect.promise(() => import("@effect/sql-pg/PgClient"))
    const Trail = yield* Effect.promise(() => import("./Trail.ts"))
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    yield* Effect.scoped(
      Effect.gen(function* () {
        const sql = yield* Effect.provide(
          PgClient.makeClient({ url: Redacted.make(url), applicationName: "effect-dsql tail" }),
          Reactivity.layer
        )
        const ask = Effect.fnUntraced(function* (request: object) {
          const [row] = yield* sql.unsafe<{ readonly answer: string }>(
            `CALL emulator.control('${JSON.stringify(request).replaceAll("'", "''")}')`
          )
          return row?.answer ?? "null"
        })
        const changed = (after: number, wait: number) =>
          Effect.flatMap(ask({ watch: {}, transactions: { after, wait } }), Trail.read)
        const known = yield* changed(0, 0)
        const from = all ? 0 : Math.max(0, ...known.map(({ revision }) => revision))
        return yield* Trail.follow(shared, (after) => changed(after, patience), from, Output.painter(canColor))
      })
    ).pipe(
      Effect.catchTag("SqlError", (error) =>
        Effect.fail(
          new CannotConnect({
            problem: `${new URL(url).host}: ${reasonOf(error)}`,
            advice: "is it an emulator that runs?",
            cause: error
          })
        )
      )
    )
  })
).pipe(
  Command.annotate(Connection.Takes, []),
  Command.withDescription(`Print the transactions of an Aurora DSQL that \`dev\` runs, each when it ends, until Ctrl-C.

  A conflict has a second line: the row, the rival that had committed first, and both statements.`),
  Command.withShortDescription("Print the transactions of a running dev, and who met whom, until Ctrl-C"),
  Command.withExamples([
    { command: "effect-dsql tail", description: "Of what runs over .data/dsql" },
    {
      command: 'effect-dsql tail "postgres://admin@127.0.0.1:5432/postgres" --all',
      description: "With what was before"
    }
  ])
)

/** What a server, or the network, said: the innermost of what it caused. */
const reasonOf = (error: Error): string => {
  const { cause } = error
  const inner = cause instanceof Error ? reasonOf(cause) : ""
  return inner === "" ? error.message : inner
}
