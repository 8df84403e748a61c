/**
 * What a server does for each statement that it is sent: the plans that it makes and runs, part by part, with the rows
 * that each of them reads.
 *
 * PostgreSQL's auto_explain says them beside its answers, where a listener between the client and the server hears them:
 * whatever is sent is seen, by whichever client, with the parameters as they are bound.
 */
import { Effect, Redacted, Schema } from "effect"
import { connect, createServer, type Server, type Socket } from "node:net"

/** A part of a plan, as EXPLAIN writes it down, and the parts that it reads from. */
export interface Node {
  readonly "Node Type": string
  readonly "Relation Name"?: string
  readonly Alias?: string
  readonly "Index Cond"?: string
  readonly "Recheck Cond"?: string
  readonly Filter?: string
  /** Of one loop. */
  readonly "Actual Rows"?: number
  readonly "Actual Loops"?: number
  readonly "Rows Removed by Filter"?: number
  readonly "Rows Removed by Index Recheck"?: number
  readonly Plans?: ReadonlyArray<Node>
}

/** A statement, and how it was done. */
export interface Plan {
  readonly text: string
  readonly root: Node
}

/** Hears what a database does. */
export interface Listener {
  /** The database, through the listener. */
  readonly url: Redacted.Redacted
  /** What has been done since this was asked before. */
  readonly take: () => ReadonlyArray<Plan>
}

/** How plans are made: for the parameters of each execution, as a connection's first ones are, or for all of them. */
export type Mode = "force_custom_plan" | "force_generic_plan"

/** Settings of the server, by their names. */
export type Settings = Readonly<Record<string, string>>

const Part: Schema.Codec<Node> = Schema.Struct({
  "Node Type": Schema.String,
  "Relation Name": Schema.optionalKey(Schema.String),
  Alias: Schema.optionalKey(Schema.String),
  "Index Cond": Schema.optionalKey(Schema.String),
  "Recheck Cond": Schema.optionalKey(Schema.String),
  Filter: Schema.optionalKey(Schema.String),
  "Actual Rows": Schema.optionalKey(Schema.Number),
  "Actual Loops": Schema.optionalKey(Schema.Number),
  "Rows Removed by Filter": Schema.optionalKey(Schema.Number),
  "Rows Removed by Index Recheck": Schema.optionalKey(Schema.Number),
  Plans: Schema.optionalKey(Schema.Array(Schema.suspend(() => Part)))
})

const Explained = Schema.fromJsonString(Schema.Struct({ "Query Text": Schema.String, Plan: Part }))

const decode = Schema.decodeUnknownSync(Explained)

/** What the server is asked for when a client connects: to say everything, and to run it as usual. */
const options = (mode: Mode, settings: Settings) =>
  Object.entries({
    session_preload_libraries: "auto_explain",
    "auto_explain.log_min_duration": 0,
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
    plan_cache_mode: mode,
    ...settings
  })
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(" ")

/** What a client logs in with: version 3.0 of the protocol. */
const startup = 196_608

/** The message of a client that logs in, with these options for the server. */
const withOptions = (message: Buffer, text: string): Buffer => {
  const more = Buffer.from(`options\0${text}\0\0`)
  const whole = Buffer.concat([message.subarray(0, -1), more])
  whole.writeInt32BE(whole.length)
  return whole
}

/** The text of a notice: a list of fields, each a letter and what it says. */
const textOf = (notice: Buffer): string | undefined => {
  for (let at = 5; notice[at] !== undefined && notice[at] !== 0;) {
    const end = notice.indexOf(0, at)
    if (notice[at] === "M".charCodeAt(0)) return notice.toString("utf8", at + 1, end)
    at = end + 1
  }
  return undefined
}

/** Calls for each notice in a stream of messages, each a type and a length. */
const notices = (onNotice: (text: string) => void) => {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (rest.length >= 5) {
      const end = 1 + rest.readInt32BE(1)
      if (rest.length < end) return
      if (rest[0] === "N".charCodeAt(0)) onNotice(textOf(rest.subarray(0, end)) ?? "")
      rest = rest.subarray(end)
    }
  }
}

/**
 * Listens to a database on plain PostgreSQL, where the connecting role may be asked for plans, until the scope closes.
 * Sessions begin with these settings beside those.
 */
export const listen = Effect.fnUntraced(function* (database: Redacted.Redacted, mode: Mode, settings: Settings = {}) {
  const target = new URL(Redacted.value(database))
  const sockets = new Set<Socket>()
  let plans: Array<Plan> = []
  const heard = (text: string) => {
    const at = text.indexOf("plan:\n")
    if (at === -1) return
    const { Plan: root, "Query Text": query } = decode(text.slice(at + "plan:\n".length))
    plans.push({ text: query, root })
  }
  const listener = yield* Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer({ noDelay: true }, (client) => {
        const backend = connect({ port: Number(target.port), host: target.hostname, noDelay: true })
        for (const [socket, other] of [[client, backend] as const, [backend, client] as const]) {
          sockets.add(socket)
          socket.on("close", () => other.destroy()).on("error", () => socket.destroy())
        }
        let hasBegun = false
        const hear = notices(heard)
        client.on("data", (chunk: Buffer) => {
          if (hasBegun || chunk.readInt32BE(4) !== startup) return void backend.write(chunk)
          hasBegun = true
          return void backend.write(withOptions(chunk, options(mode, settings)))
        })
        backend.on("data", (chunk: Buffer) => {
          // Before it logs in, a client asks for encryption, which is answered by a letter.
          if (hasBegun) hear(chunk)
          client.write(chunk)
        })
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        sockets.forEach((socket) => socket.destroy())
        server.close()
      })
  )
  const address = listener.address()
  if (typeof address !== "object" || address === null) return yield* Effect.die(new Error("the listener has no port"))
  const through = new URL(target)
  through.port = String(address.port)
  const take = () => {
    const taken = plans
    plans = []
    return taken
  }
  return { url: Redacted.make(through.href), take } satisfies Listener
})

/** A plan's parts, each with those above it, the nearest first. */
export const parts = (
  node: Node,
  above: ReadonlyArray<Node> = []
): ReadonlyArray<{ readonly node: Node; readonly above: ReadonlyArray<Node> }> => [
  { node, above },
  ...(node.Plans ?? []).flatMap((below) => parts(below, [node, ...above]))
]

/** What gives rows of a table. */
const scans: ReadonlySet<string> = new Set([
  "Bitmap Heap Scan",
  "Index Only Scan",
  "Index Scan",
  "Sample Scan",
  "Seq Scan",
  "Tid Range Scan",
  "Tid Scan"
])

export const isScan = (node: Node): boolean => scans.has(node["Node Type"])

/** What reads a table or an index of it: of a bitmap, its index, where each row has been met before. */
const isRead = (node: Node): boolean =>
  node["Node Type"] === "Bitmap Index Scan" || (isScan(node) && node["Node Type"] !== "Bitmap Heap Scan")

/** How often a part of a plan gave a row, in all of its loops. */
export const given = (node: Node): number => (node["Actual Rows"] ?? 0) * (node["Actual Loops"] ?? 1)

/** How many rows a part of a plan took, whether it gave them or threw them away. */
const taken = (node: Node): number => {
  const removed = (node["Rows Removed by Filter"] ?? 0) + (node["Rows Removed by Index Recheck"] ?? 0)
  return given(node) + removed * (node["Actual Loops"] ?? 1)
}

/** The rows that a plan read, whether it gave them or threw them away. */
export const scanned = (root: Node): number =>
  parts(root)
    .filter(({ node }) => isRead(node))
    .reduce((sum, { node }) => sum + taken(node), 0)

/** The same of each table. */
export const scannedOf = (root: Node): Readonly<Record<string, number>> => {
  const read: Record<string, number> = {}
  for (const { node } of parts(root)) {
    const table = node["Relation Name"]
    if (table !== undefined && isScan(node)) read[table] = (read[table] ?? 0) + taken(node)
  }
  return read
}
