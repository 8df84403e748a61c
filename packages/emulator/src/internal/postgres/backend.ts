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
import { connect as connectTo } from "node:net"
import type * as Postgres from "../../Postgres.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as Frame from "../protocol/frame.ts"
import * as Scram from "../protocol/scram.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"

/** The connection is gone, or was refused. */
export class BackendLost extends Data.TaggedError("BackendLost")<{
  readonly error: ServerMessage.ServerError
}> {}

/** The bytes of messages, the last of which is answered with ReadyForQuery. */
export type Batch = ReadonlyArray<Buffer>

/** What came back to a batch, up to its ReadyForQuery. */
export interface Answer {
  /** All messages but ReadyForQuery and errors; with a sink, those that had not gone there when the last one came. */
  readonly frames: ReadonlyArray<Frame.Frame>
  /** The first error, as it came. */
  readonly error: Frame.Frame | undefined
  /** The last command tag. */
  readonly tag: string | undefined
}

/** Called when a request is sent; what it gives is called when it is answered, or never will be. */
export type Guard = () => () => void

/** Takes slices of an answer; false asks for a pause. */
export type Sink = (slice: Buffer) => boolean

/** One connection. Batches are answered in the order in which they are sent. */
export interface Backend {
  readonly pid: number
  readonly parameters: ReadonlyMap<string, string>
  /**
   * Sends a batch and collects the answer. With a sink, what is not an error goes there as it comes, in slices of
   * whole messages; an answer that comes in one piece does not.
   */
  readonly exchange: (batch: Batch, guard?: Guard, sink?: Sink) => Effect.Effect<Answer, BackendLost>
  /** Sends batches together; there is one answer for each, in their order. */
  readonly pipeline: (batches: ReadonlyArray<Batch>, guard?: Guard) => Effect.Effect<ReadonlyArray<Answer>, BackendLost>
  /** Sends a batch whose answer nobody waits for; `over` is called when it is there, or never will be. */
  readonly post: (batch: Batch, over: () => void) => void
  /** Runs statements and gives the rows of them all, in text form. */
  readonly query: (sql: string) => Effect.Effect<ReadonlyArray<ReadonlyArray<string | null>>, BackendLost>
  /** Goes on reading after a sink asked to wait. */
  readonly resume: () => void
  /** Whether anything that was sent has not been answered. */
  readonly isBusy: () => boolean
  /** Is called when the server has ended the session, or at once if it has. */
  readonly whenGone: (callback: () => void) => void
}

/** Batches that were sent together, whose answers are on their way; the frames, the error and the tag are those of the first unanswered one. */
interface Pending {
  readonly batches: number
  readonly answers: Array<Answer>
  readonly sink: Sink | undefined
  readonly over: (() => void) | undefined
  readonly fail: (lost: BackendLost) => void
  readonly done: (answers: ReadonlyArray<Answer>) => void
  frames: Array<Frame.Frame>
  error: Frame.Frame | undefined
  tag: string | undefined
}

const nobody = () => {}

const nothing: Answer = { frames: [], error: undefined, tag: undefined }

const maximum = 0x7fffffff

/** Bytes that are read at once. */
const chunkBytes = 64 * 1024

/** What is said of a connection that is no more. */
export const gone: ServerMessage.ServerError = { severity: "FATAL", sqlstate: "XX000", message: "server unavailable" }

/** A connection, and how whoever opened it is rid of it. */
export interface Opened {
  readonly backend: Backend
  /** Ends the session once it has answered what it was asked; `pg_terminate_backend` ends one that is busy sooner. */
  readonly end: () => void
  /** Says whether the process is to live for as long as the connection. */
  readonly hold: (isHeld: boolean) => void
}

/** Opens a connection that closes with the scope. */
export const connect = (
  server: Postgres.Postgres,
  parameters: Iterable<readonly [string, string]>
): Effect.Effect<Backend, BackendLost, Scope.Scope> =>
  Effect.acquireRelease(open(server, parameters), ({ end }) => Effect.sync(end)).pipe(
    Effect.map(({ backend }) => backend)
  )

/** Opens a connection that is there until it is ended. */
export const open = (
  server: Postgres.Postgres,
  parameters: Iterable<readonly [string, string]>
): Effect.Effect<Opened, BackendLost> =>
  Effect.callback<Opened, BackendLost>((resume) => {
    const socket = connectTo({
      ...(server.socket === undefined
        ? { host: server.host, port: server.port, noDelay: true }
        : { path: server.socket }),
      // One buffer for all that comes, of which frames are copies: Node would make a new one each time.
      onread: {
        buffer: Buffer.allocUnsafeSlow(chunkBytes),
        callback: (size, bytes) => {
          receive(Buffer.from(bytes.subarray(0, size)))
          return true
        }
      }
    })
    const opened = (): Opened => ({
      backend,
      end: () => {
        if (!socket.destroyed) socket.end(ClientMessage.terminate)
        // The server answers Terminate by closing.
        socket.resume()
      },
      hold: (isHeld) => void (isHeld ? socket.ref() : socket.unref())
    })
    const known = new Map<string, string>()
    const framer = Frame.makeFramer(maximum)
    const scram = Scram.make(Redacted.value(server.password))
    let pid = 0
    let ready = false
    const pending: Array<Pending> = []
    let lost: BackendLost | undefined

    const fail = (error: ServerMessage.ServerError) => {
      lost ??= new BackendLost({ error })
      socket.destroy()
      if (!ready) return resume(Effect.fail(lost))
      for (const waiting of pending.splice(0)) {
        waiting.over?.()
        waiting.fail(lost)
      }
    }

    const finish = (waiting: Pending) => {
      waiting.answers.push({ frames: waiting.frames, error: waiting.error, tag: waiting.tag })
      if (waiting.answers.length < waiting.batches) {
        waiting.frames = []
        waiting.error = undefined
        waiting.tag = undefined
        return
      }
      pending.shift()
      waiting.over?.()
      waiting.done(waiting.answers)
    }

    const authenticate = (frame: Frame.Frame) => {
      const kind = frame.readInt32BE(5)
      const body = frame.toString("utf8", 9)
      if (kind === 10) {
        const first = Buffer.from(scram.first)
        const size = Buffer.alloc(4)
        size.writeInt32BE(first.length)
        socket.write(ClientMessage.password(Buffer.concat([Buffer.from(`${scram.mechanism}\0`), size, first])))
      } else if (kind === 11) {
        const answer = scram.answer(body)
        if (answer === undefined) fail({ ...gone, message: "the server's challenge makes no sense" })
        else socket.write(ClientMessage.password(Buffer.from(answer)))
      } else if (kind === 12 && !scram.verify(body)) {
        fail({ ...gone, message: "the server does not know its own password" })
      }
    }

    const starting = (frame: Frame.Frame) => {
      switch (frame[0]) {
        case Frame.code.authentication:
          return authenticate(frame)
        case Frame.code.parameterStatus:
          return known.set(...ServerMessage.readParameter(frame))
        case Frame.code.backendKeyData:
          pid = frame.readInt32BE(5)
          return undefined
        case Frame.code.error:
          return fail(ServerMessage.readError(frame))
        case Frame.code.ready:
          ready = true
          return resume(Effect.succeed(opened()))
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

    const running = (frame: Frame.Frame) => {
      const [waiting] = pending
      if (waiting === undefined) {
        if (frame[0] === Frame.code.error) fail(ServerMessage.readError(frame))
        return
      }
      switch (frame[0]) {
        case Frame.code.ready:
          return finish(waiting)
        case Frame.code.error:
          waiting.error ??= frame
          if (ServerMessage.readError(frame).severity === "FATAL") fail(ServerMessage.readError(frame))
          return
        case Frame.code.copyIn:
          // The rows are in the batch, behind the statement that takes them.
          return
        case Frame.code.commandComplete:
          waiting.tag = ServerMessage.readTag(frame)
      }
      waiting.frames.push(frame)
    }

    const send = (
      batches: number,
      bytes: ReadonlyArray<Buffer>,
      waiting: Pick<Pending, "over" | "fail" | "done"> & { readonly sink?: Sink | undefined }
    ) => {
      const { done, fail, over, sink } = waiting
      pending.push({ batches, answers: [], sink, over, fail, done, frames: [], error: undefined, tag: undefined })
      const [only] = bytes
      socket.write(bytes.length === 1 && only !== undefined ? only : Buffer.concat(bytes))
    }

    const submit = <A>(
      batches: number,
      bytes: ReadonlyArray<Buffer>,
      of: (answers: ReadonlyArray<Answer>) => A,
      guard: Guard | undefined,
      sink?: Sink
    ) =>
      Effect.callback<A, BackendLost>((resume) => {
        if (lost !== undefined) return resume(Effect.fail(lost))
        send(batches, bytes, {
          sink,
          over: guard?.(),
          fail: (why) => resume(Effect.fail(why)),
          done: (answers) => resume(Effect.succeed(of(answers)))
        })
      })

    const backend: Backend = {
      get pid() {
        return pid
      },
      parameters: known,
      exchange: (batch, guard, sink) => submit(1, batch, ([answer = nothing]) => answer, guard, sink),
      pipeline: (batches, guard) => submit(batches.length, batches.flat(), (answers) => answers, guard),
      post: (batch, over) => {
        if (lost === undefined) send(1, batch, { over, fail: nobody, done: nobody })
        else over()
      },
      query: (sql) =>
        Effect.flatMap(backend.exchange([ClientMessage.query(sql)]), ({ error, frames }) =>
          error === undefined
            ? Effect.succeed(
                frames.filter((frame) => frame[0] === Frame.code.dataRow).map((frame) => ServerMessage.readRow(frame))
              )
            : Effect.fail(new BackendLost({ error: ServerMessage.readError(error) }))
        ),
      resume: () => socket.resume(),
      isBusy: () => pending.length > 0,
      whenGone: (callback) => {
        if (socket.closed) callback()
        else socket.once("close", callback)
      }
    }

    const take = (frame: Frame.Frame) => (ready ? running(frame) : starting(frame))
    const receive = (chunk: Buffer) => {
      const problem = framer(chunk, take)
      if (problem !== undefined) fail({ ...gone, message: problem })
      if (pending[0] !== undefined) flow(pending[0])
    }

    socket.once("connect", () => socket.write(ClientMessage.startup(new Map(parameters))))
    socket.on("error", (cause) => fail({ ...gone, detail: cause.message }))
    socket.on("close", () => fail(gone))
  })
