/**
 * One client from its startup to its end: a session of its own, and its messages one unit after the other.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomInt } from "node:crypto"
import type { Duplex } from "node:stream"
import type * as Postgres from "../../Postgres.ts"
import { type Cluster, join } from "../cluster/cluster.ts"
import type * as Backend from "../postgres/backend.ts"
import type * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Prepared } from "../statement/prepared.ts"
import { version } from "../statement/version.ts"
import { authenticate, type Door } from "./authentication.ts"
import { status } from "./block.ts"
import * as Copying from "./copying.ts"
import * as ExtendedQuery from "./extendedQuery.ts"
import * as Inbox from "./inbox.ts"
import type { Cut } from "./injection.ts"
import { isOver, type Session } from "./session.ts"
import { simple } from "./simpleQuery.ts"
import { closed, hangUp, type Incoming, leave, protocolViolation, receive, writer } from "./socket.ts"
import { backendParameters, type Certificate, objection, opening } from "./startup.ts"

/** What all connections of an emulator share. */
export interface Setting extends Door {
  readonly server: Postgres.Postgres
  readonly cluster: Cluster
  readonly tls: Certificate | undefined
  readonly maxMessageBytes: number
}

const isReported = (name: string): boolean => name !== "is_superuser"

/** Serves a client until it leaves, dies, or is cut off. */
export const serve = Effect.fnUntraced(function* (
  first: Duplex,
  setting: Setting
): Effect.fn.Return<void, never, Scope.Scope> {
  yield* Effect.addFinalizer(() => Effect.sync(() => leave(first)))
  first.on("error", () => first.destroy())
  const opened = yield* opening(first, setting.tls)
  if (opened === undefined) return
  const { socket } = opened
  const label = opened.parameters.get("application_name") ?? ""
  const connection = yield* Effect.acquireRelease(
    Effect.sync(() => setting.desk.open(label, () => first.destroy())),
    (connection) => Effect.sync(() => setting.desk.close(connection))
  )
  const inbox: Inbox.Inbox<Incoming> = Inbox.make(() => {
    if (socket.isPaused() && inbox.size() < 100) socket.resume()
  })
  let outstanding = 0
  const onUnit = () => {
    if (outstanding === 0) connection.roundTrips++
    outstanding++
  }
  receive(socket, opened.rest, setting.maxMessageBytes, inbox, onUnit, () => setting.desk.delay(connection.label))
  const write = writer(socket)
  const refusal = (yield* authenticate(opened, setting, label, inbox, write)) ?? objection(opened.parameters)
  if (refusal !== undefined) return hangUp(socket, refusal)

  const parameters = backendParameters(opened.parameters)
  yield* Effect.gen(function* () {
    const database = yield* setting.cluster.database(parameters.get("database") ?? "postgres")
    const backend = yield* Effect.acquireRelease(setting.cluster.login(parameters), (backend) =>
      // It may be in the middle of a statement that nobody waits for any more.
      backend.isBusy() ? setting.cluster.terminate(backend) : Effect.void
    )
    const member = yield* join(database, backend)
    socket.on("drain", backend.resume)
    const answered = () => {
      outstanding--
    }
    const session: Session = Object.assign(member, {
      desk: setting.desk,
      connection,
      databases: setting.cluster,
      sink: (slice: Buffer) => socket.destroyed || socket.write(slice),
      write,
      answered,
      copyIn: Copying.make(inbox.take, write, answered),
      arrive: (prepared: Prepared) => {
        if (prepared.plan._tag === "Control") return
        setting.desk.arrive(connection, prepared.text, status(session) !== "idle")
      },
      statements: new Map(),
      portals: new Map(),
      witness: undefined
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => session.witness?.closed()))
    yield* write([
      ServerMessage.authenticationOk,
      ...[...backend.parameters].filter(([name]) => isReported(name)).map(([name, value]) => reported(name, value)),
      ServerMessage.backendKeyData(backend.pid, randomInt(0x7fffffff)),
      ServerMessage.ready.idle
    ])
    yield* Effect.raceFirst(converse(session, inbox.take, socket), closed(socket))
  }).pipe(
    Effect.catchTags({
      BackendLost: (lost) => Effect.sync(() => hangUp(socket, lost.error)),
      Cut: () => Effect.sync(() => void first.destroy())
    })
  )
})

const reported = (name: string, value: string): Frame.Frame =>
  ServerMessage.parameterStatus(name, name === "server_version" ? version.server : value)

const converse = Effect.fnUntraced(function* (
  session: Session,
  next: Effect.Effect<Incoming>,
  socket: Duplex
): Effect.fn.Return<void, Backend.BackendLost | Cut> {
  let ignoring = false
  while (true) {
    const message = yield* next
    if (isOver(session)) return
    switch (message._tag) {
      case "Query":
        ignoring = false
        yield* session.gate.enter
        yield* simple(session, message.sql)
        session.gate.leave()
        break
      case "Unit":
        if (!ignoring) {
          yield* session.gate.enter
          ignoring = yield* ExtendedQuery.extended(session, message.messages, message.end)
          session.gate.leave()
        } else if (message.end === "Sync") {
          ignoring = false
          yield* session.gate.enter
          yield* ExtendedQuery.recover(session)
          session.gate.leave()
        }
        break
      case "Malformed":
        return hangUp(socket, protocolViolation(message.problem))
      case "Terminate":
        return
      case "CopyData":
      case "CopyDone":
      case "CopyFail":
      case "Password":
        break
    }
  }
})
