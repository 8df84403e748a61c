/**
 * One client's socket: TLS, startup and authentication, then messages in and
 * answers out, late by the latency that was asked for.
 */
import { Quote } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { randomInt } from "node:crypto"
import type { Duplex } from "node:stream"
import { TLSSocket } from "node:tls"
import type { Desk } from "../../Control.ts"
import type * as Postgres from "../../Postgres.ts"
import * as Backend from "../postgres/backend.ts"
import { type Cluster, join } from "../database/cluster.ts"
import * as Execution from "./execution.ts"
import { version } from "../database/version.ts"
import * as Refusal from "../statement/refusal.ts"
import * as Session from "./session.ts"
import type { Prepare, Prepared } from "../statement/prepared.ts"
import * as Wire from "../protocol/wire.ts"

/** What all connections of an emulator share. */
export interface Setting {
  readonly server: Postgres.Postgres
  readonly cluster: Cluster
  readonly desk: Desk
  readonly prepare: Prepare
  readonly tls: { readonly key: string | Buffer; readonly cert: string | Buffer } | undefined
  /** Whether a password, the token, is good; undefined: none is asked for. */
  readonly authorize: ((token: string, user: string) => "ok" | "expired" | "denied") | undefined
  readonly databases: "any" | "postgres"
  readonly maxConnections: number
  /** Whether one more connection may come now. */
  readonly admits: () => boolean
  readonly maxMessageBytes: number
}

/** A socket with bytes that were read too far. */
interface Opened {
  readonly socket: Duplex
  readonly parameters: ReadonlyMap<string, string>
  readonly rest: Buffer
}

const fatal = (refusal: Refusal.Refusal): Wire.Frame => Wire.error({ ...refusal, severity: "FATAL" })

/** Says why and hangs up. */
const hangUp = (socket: Duplex, refusal: Refusal.Refusal): void => {
  if (!socket.destroyed && !socket.writableEnded) socket.end(fatal(refusal))
}

/** Milliseconds that a client has to read the last word. */
const patience = 1_000

/** Closes a socket, at once if nothing is left to say on it. */
const leave = (socket: Duplex): void => {
  if (!socket.writableEnded) return void socket.destroy()
  socket.resume()
  setTimeout(() => socket.destroy(), patience).unref()
}

const protocolViolation = (message: string): Refusal.Refusal => ({ sqlstate: "08P01", message })

/** Reads up to the startup message, through TLS where the client asks for it. */
const opening = (first: Duplex, setting: Setting): Effect.Effect<Opened | undefined> =>
  Effect.callback((resume) => {
    let socket = first
    let pending: Buffer = Buffer.alloc(0)
    const listen = () => socket.on("data", onData).on("close", onEnd).on("error", onEnd)
    const quiet = () => socket.off("data", onData).off("close", onEnd).off("error", onEnd)
    const onEnd = () => {
      quiet()
      resume(Effect.succeed(undefined))
    }
    const onData = (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk])
      for (let read = Wire.readStartup(pending); read !== undefined; read = Wire.readStartup(pending)) {
        pending = read.rest
        const { startup } = read
        if (startup._tag === "GSSRequest") socket.write("N")
        else if (startup._tag === "SSLRequest" && setting.tls === undefined) socket.write("N")
        else if (startup._tag === "SSLRequest") {
          // Bytes after the request are somebody else's: the client waits for the answer before it goes on.
          if (pending.length > 0) return socket.destroy()
          quiet()
          socket.write("S")
          // TLSSocket takes any Duplex; its type says only what most people hand it.
          socket = new TLSSocket(socket as never, { isServer: true, ...setting.tls })
          listen()
          return
        } else {
          quiet()
          if (startup._tag === "Startup") {
            socket.pause()
            return resume(Effect.succeed({ socket, parameters: startup.parameters, rest: pending }))
          }
          // The service takes no notice of a request to cancel.
          if (startup._tag === "Malformed") hangUp(socket, protocolViolation(startup.problem))
          else socket.end()
          return resume(Effect.succeed(undefined))
        }
      }
    }
    listen()
  })

type Incoming = Wire.ClientMessage | { readonly _tag: "Password"; readonly text: string }

/** Messages in, in order, with their delay. */
const receive = (
  opened: Opened,
  setting: Setting,
  inbox: Queue.Queue<Incoming>,
  onUnit: () => void,
  delay: () => number
) => {
  const { socket } = opened
  const framer = Wire.makeFramer(setting.maxMessageBytes)
  let last = 0
  let broken = false
  const deliver = (message: Incoming, wait: number) => {
    const now = performance.now()
    if (wait <= 0 && last <= now) return void Queue.offerUnsafe(inbox, message)
    last = Math.max(last, now + wait)
    setTimeout(() => Queue.offerUnsafe(inbox, message), last - now)
  }
  const onData = (chunk: Buffer) => {
    if (broken) return
    const wait = delay()
    const problem = framer(chunk, (frame) => {
      const password = Wire.readPassword(frame)
      const message: Incoming = password === undefined ? Wire.readClient(frame) : { _tag: "Password", text: password }
      if (message._tag === "Query" || message._tag === "Sync") onUnit()
      deliver(message, wait)
    })
    if (problem !== undefined) {
      broken = true
      deliver({ _tag: "Malformed", problem }, wait)
    } else if (Queue.sizeUnsafe(inbox) > 1_000) socket.pause()
  }
  const gone = () => {
    broken = true
    Queue.offerUnsafe(inbox, { _tag: "Terminate" })
  }
  socket.on("data", onData).on("close", gone).on("end", gone).on("error", gone)
  if (opened.rest.length > 0) onData(opened.rest)
  socket.resume()
}

const writer =
  (socket: Duplex) =>
  (frames: ReadonlyArray<Wire.Frame>): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (socket.destroyed || frames.length === 0) return Effect.void
      const [only = Buffer.alloc(0), ...more] = frames
      if (socket.write(more.length === 0 ? only : Buffer.concat(frames))) return Effect.void
      return Effect.callback<void>((resume) => {
        const done = () => {
          socket.off("drain", done).off("close", done)
          resume(Effect.void)
        }
        socket.on("drain", done).on("close", done)
      })
    })

const authenticate = Effect.fnUntraced(function* (
  opened: Opened,
  setting: Setting,
  label: string,
  inbox: Queue.Queue<Incoming>,
  write: (frames: ReadonlyArray<Wire.Frame>) => Effect.Effect<void>
): Effect.fn.Return<Refusal.Refusal | undefined> {
  const user = opened.parameters.get("user") ?? ""
  if (setting.authorize !== undefined) {
    yield* write([Wire.passwordRequest])
    const message = yield* Queue.take(inbox)
    if (message._tag !== "Password") return protocolViolation("expected a password message")
    const verdict = setting.authorize(message.text, user)
    if (verdict === "expired") return Refusal.expiredToken
    if (verdict === "denied") return Refusal.accessDenied
  }
  const fault = setting.desk.faults.decide("connect", label)
  if (fault === "expired-token") return Refusal.expiredToken
  if (fault === "rate-exceeded" || !setting.admits()) return Refusal.rateExceeded
  if (fault === "unavailable") return Refusal.unavailable
  if (fault === "too-many-connections" || setting.desk.connections() > setting.maxConnections) {
    return Refusal.tooManyConnections
  }
  if (fault === "cut") opened.socket.destroy()
  const database = opened.parameters.get("database") ?? user
  if (setting.databases === "postgres" && database !== "postgres") {
    return { sqlstate: "3D000", message: `database "${database}" does not exist` }
  }
  return undefined
})

/** What a client may say about its session at startup goes to PostgreSQL as it came. */
const backendParameters = (parameters: ReadonlyMap<string, string>): Map<string, string> => {
  const own = new Map(parameters)
  own.set("user", "postgres")
  own.set("database", parameters.get("database") ?? parameters.get("user") ?? "postgres")
  own.set("default_transaction_isolation", "repeatable read")
  own.set("TimeZone", parameters.get("TimeZone") ?? "UTC")
  return own
}

const isReported = (name: string): boolean => name !== "is_superuser"

/** Serves a client until it leaves, dies, or is cut off. */
export const serve = Effect.fnUntraced(function* (
  first: Duplex,
  setting: Setting
): Effect.fn.Return<void, never, Scope.Scope> {
  yield* Effect.addFinalizer(() => Effect.sync(() => leave(first)))
  first.on("error", () => first.destroy())
  const opened = yield* opening(first, setting)
  if (opened === undefined) return
  const { socket } = opened
  const label = opened.parameters.get("application_name") ?? ""
  const connection = yield* Effect.acquireRelease(
    Effect.sync(() => setting.desk.open(label, () => first.destroy())),
    (connection) => Effect.sync(() => setting.desk.close(connection))
  )
  const inbox = yield* Queue.unbounded<Incoming>()
  let outstanding = 0
  const onUnit = () => {
    if (outstanding === 0) connection.roundTrips++
    outstanding++
  }
  receive(opened, setting, inbox, onUnit, () => setting.desk.delay(connection.label))
  const write = writer(socket)
  const refusal = yield* authenticate(opened, setting, label, inbox, write)
  if (refusal !== undefined) return hangUp(socket, refusal)

  const parameters = backendParameters(opened.parameters)
  const user = opened.parameters.get("user") ?? "admin"
  yield* Effect.gen(function* () {
    const database = yield* setting.cluster.database(parameters.get("database") ?? "postgres")
    const backend = yield* Effect.acquireRelease(Backend.connect(setting.server, parameters), (backend) =>
      // It may be in the middle of a statement that nobody waits for any more.
      setting.cluster.steward.signal(backend.pid, "terminate")
    )
    yield* backend.query(`SET SESSION AUTHORIZATION ${Quote.identifier(user)}`)
    const member = yield* join(database, backend)
    socket.on("drain", backend.resume)
    const session: Session.Session = Object.assign(member, {
      desk: setting.desk,
      connection,
      databases: setting.cluster,
      sink: (slice: Buffer) => socket.destroyed || socket.write(slice),
      prepare: setting.prepare,
      write,
      answered: () => {
        outstanding--
      },
      arrive: (prepared: Prepared) => {
        if (prepared.plan._tag === "Control") return
        setting.desk.arrive(connection, prepared.text, Execution.status(session) !== Wire.status.idle)
      },
      statements: new Map(),
      portals: new Map()
    })
    yield* write([
      Wire.authenticationOk,
      ...[...backend.parameters]
        .filter(([name]) => isReported(name))
        .map(([name, value]) => reported(name, value, user)),
      Wire.backendKeyData(backend.pid, randomInt(0x7fffffff)),
      Wire.ready(Wire.status.idle)
    ])
    yield* Effect.raceFirst(converse(session, inbox, socket), closed(socket))
  }).pipe(
    Effect.catchTags({
      BackendLost: (lost) => Effect.sync(() => hangUp(socket, lost.error)),
      Cut: () => Effect.sync(() => void first.destroy())
    })
  )
})

/** Ends when the client's socket is gone, whatever is under way for it. */
const closed = (socket: Duplex): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (socket.destroyed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
  })

const reported = (name: string, value: string, user: string): Wire.Frame =>
  Wire.parameterStatus(
    name,
    name === "server_version" ? version.server : name === "session_authorization" ? user : value
  )

const converse = Effect.fnUntraced(function* (
  session: Session.Session,
  inbox: Queue.Queue<Incoming>,
  socket: Duplex
): Effect.fn.Return<void, Backend.BackendLost | Execution.Cut> {
  let unit: Array<Extract<Wire.ClientMessage, { readonly frame: Wire.Frame }>> = []
  let ignoring = false
  while (true) {
    const message = yield* Queue.take(inbox)
    if (socket.isPaused() && Queue.sizeUnsafe(inbox) < 100) socket.resume()
    if (Session.isOver(session)) return
    switch (message._tag) {
      case "Query":
        ignoring = false
        yield* session.gate.withPermits(1)(Session.simple(session, message.sql))
        break
      case "Sync":
      case "Flush":
        if (ignoring) {
          if (message._tag === "Flush") break
          ignoring = false
          yield* session.gate.withPermits(1)(Session.recover(session))
        } else {
          const messages = unit
          unit = []
          ignoring = yield* session.gate.withPermits(1)(Session.extended(session, messages, message._tag))
        }
        break
      case "Malformed":
        return hangUp(socket, protocolViolation(message.problem))
      case "Terminate":
        return
      case "Ignored":
      case "Password":
        break
      default:
        if (!ignoring) unit.push(message)
    }
  }
})
