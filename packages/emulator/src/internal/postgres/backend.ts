/**
 * One raw connection to the PostgreSQL server underneath.
 *
 * It exchanges messages: bytes out, everything up to ReadyForQuery back. Rows
 * are not decoded, so formats and types stay as the client asked for them.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { connect as open, type Socket } from "node:net"
import type * as Postgres from "../../Postgres.ts"
import * as Scram from "../protocol/scram.ts"
import * as Wire from "../protocol/wire.ts"

/** The connection is gone, or was refused. */
export class BackendLost extends Data.TaggedError("BackendLost")<{
  readonly error: Wire.ServerError
}> {}

/** What came back between a request and its last ReadyForQuery. */
export interface Reply {
  /** All messages but ReadyForQuery and errors; with a sink, those that had not gone there when the last one came. */
  readonly frames: ReadonlyArray<Wire.Frame>
  /** The first error, as it came. */
  readonly error: Wire.Frame | undefined
  /** The last command tag. */
  readonly tag: string | undefined
}

/** One connection. Requests are sent one at a time; the caller sees to that. */
export interface Backend {
  readonly pid: number
  readonly parameters: ReadonlyMap<string, string>
  /**
   * Sends bytes that hold `syncs` requests for ReadyForQuery and collects the answers. With a sink, what is not an
   * error goes there as it comes, in slices of whole messages; an answer that comes in one piece does not.
   */
  readonly exchange: (
    bytes: ReadonlyArray<Buffer>,
    syncs?: number,
    sink?: (slice: Buffer) => boolean
  ) => Effect.Effect<Reply, BackendLost>
  /** Runs statements and gives the rows of them all, in text form. */
  readonly query: (sql: string) => Effect.Effect<ReadonlyArray<ReadonlyArray<string | null>>, BackendLost>
  /** Goes on reading after a sink asked to wait. */
  readonly resume: () => void
}

interface Pending {
  frames: Array<Wire.Frame>
  readonly sink: ((slice: Buffer) => boolean) | undefined
  readonly done: (exit: Effect.Effect<Reply, BackendLost>) => void
  syncs: number
  error: Wire.Frame | undefined
  tag: string | undefined
}

const maximum = 0x7fffffff

const gone: Wire.ServerError = { severity: "FATAL", sqlstate: "XX000", message: "server unavailable" }

/** Opens a connection that closes with the scope. */
export const connect = (
  server: Postgres.Postgres,
  parameters: Iterable<readonly [string, string]>
): Effect.Effect<Backend, BackendLost, Scope.Scope> =>
  Effect.acquireRelease(start(server, new Map(parameters)), ({ socket }) =>
    Effect.sync(() => {
      if (!socket.destroyed) socket.end(Wire.terminate)
      // The server answers Terminate by closing; a session that is busy is ended by its pid instead.
      socket.resume()
    })
  ).pipe(Effect.map(({ backend }) => backend))

const start = (server: Postgres.Postgres, parameters: ReadonlyMap<string, string>) =>
  Effect.callback<{ readonly backend: Backend; readonly socket: Socket }, BackendLost>((resume) => {
    const socket = open({ host: server.host, port: server.port, noDelay: true })
    const known = new Map<string, string>()
    const framer = Wire.makeFramer(maximum)
    const scram = Scram.make(Redacted.value(server.password))
    let pid = 0
    let ready = false
    let pending: Pending | undefined
    let lost: BackendLost | undefined

    const fail = (error: Wire.ServerError) => {
      lost ??= new BackendLost({ error })
      socket.destroy()
      if (!ready) return resume(Effect.fail(lost))
      const waiting = pending
      pending = undefined
      waiting?.done(Effect.fail(lost))
    }

    const finish = (waiting: Pending) => {
      pending = undefined
      waiting.done(Effect.succeed({ frames: waiting.frames, error: waiting.error, tag: waiting.tag }))
    }

    const authenticate = (frame: Wire.Frame) => {
      const kind = frame.readInt32BE(5)
      const body = frame.toString("utf8", 9)
      if (kind === 10) {
        const first = Buffer.from(scram.first)
        const size = Buffer.alloc(4)
        size.writeInt32BE(first.length)
        socket.write(Wire.password(Buffer.concat([Buffer.from(`${scram.mechanism}\0`), size, first])))
      } else if (kind === 11) {
        const answer = scram.answer(body)
        if (answer === undefined) fail({ ...gone, message: "the server's challenge makes no sense" })
        else socket.write(Wire.password(Buffer.from(answer)))
      } else if (kind === 12 && !scram.verify(body)) {
        fail({ ...gone, message: "the server does not know its own password" })
      }
    }

    const starting = (frame: Wire.Frame) => {
      switch (frame[0]) {
        case Wire.code.authentication:
          return authenticate(frame)
        case Wire.code.parameterStatus:
          return known.set(...Wire.readParameter(frame))
        case Wire.code.backendKeyData:
          pid = frame.readInt32BE(5)
          return undefined
        case Wire.code.error:
          return fail(Wire.readError(frame))
        case Wire.code.ready:
          ready = true
          return resume(Effect.succeed({ backend, socket }))
        default:
          return undefined
      }
    }

    const flow = (waiting: Pending) => {
      if (waiting.frames.length === 0 || waiting.sink === undefined) return
      const bytes = Buffer.concat(waiting.frames)
      waiting.frames = []
      if (!waiting.sink(bytes)) socket.pause()
    }

    const running = (frame: Wire.Frame) => {
      const waiting = pending
      if (waiting === undefined) {
        if (frame[0] === Wire.code.error) fail(Wire.readError(frame))
        return
      }
      switch (frame[0]) {
        case Wire.code.ready:
          waiting.syncs--
          if (waiting.syncs === 0) finish(waiting)
          return
        case Wire.code.error:
          waiting.error ??= frame
          if (Wire.readError(frame).severity === "FATAL") fail(Wire.readError(frame))
          return
        case Wire.code.copyIn:
          // The client is never told, so it has nothing to send.
          socket.write(Buffer.from([Wire.code.copyFail, 0, 0, 0, 5, 0]))
          return
        case Wire.code.commandComplete:
          waiting.tag = Wire.readTag(frame)
      }
      waiting.frames.push(frame)
    }

    const backend: Backend = {
      get pid() {
        return pid
      },
      parameters: known,
      exchange: (bytes, syncs = 1, sink) =>
        Effect.callback<Reply, BackendLost>((done) => {
          if (lost !== undefined) return done(Effect.fail(lost))
          pending = { frames: [], sink, done, syncs, error: undefined, tag: undefined }
          if (bytes.length === 1 && bytes[0] !== undefined) socket.write(bytes[0])
          else socket.write(Buffer.concat(bytes))
        }),
      query: (sql) =>
        Effect.flatMap(backend.exchange([Wire.query(sql)]), (reply) =>
          reply.error === undefined
            ? Effect.succeed(
                reply.frames.filter((frame) => frame[0] === Wire.code.dataRow).map((frame) => Wire.readRow(frame))
              )
            : Effect.fail(new BackendLost({ error: Wire.readError(reply.error) }))
        ),
      resume: () => socket.resume()
    }

    socket.once("connect", () => socket.write(Wire.startup(parameters)))
    socket.on("data", (chunk) => {
      const problem = framer(chunk, (frame) => (ready ? running(frame) : starting(frame)))
      if (problem !== undefined) fail({ ...gone, message: problem })
      if (pending !== undefined) flow(pending)
    })
    socket.on("error", (cause) => fail({ ...gone, detail: cause.message }))
    socket.on("close", () => fail(gone))
  })
