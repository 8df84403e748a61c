/**
 * A client that shows the protocol as it is: exact tags, exact errors, statements in text form.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Duplex } from "node:stream"
import * as Frame from "../src/internal/protocol/frame.ts"
import * as ClientMessage from "../src/internal/protocol/clientMessage.ts"
import * as ServerMessage from "../src/internal/protocol/serverMessage.ts"

export interface Result {
  readonly tag: string | undefined
  readonly rows: ReadonlyArray<ReadonlyArray<string | null>> | null
}

export interface Answer {
  readonly results: ReadonlyArray<Result>
  readonly error: ServerMessage.ServerError | undefined
  /** I, T or E; undefined if the connection ended. */
  readonly status: string | undefined
  readonly frames: ReadonlyArray<Buffer>
}

export interface WireClient {
  /** Sends bytes and waits for as many ReadyForQuery as are named. */
  readonly send: (bytes: Buffer, readies?: number) => Effect.Effect<Answer>
  readonly query: (sql: string) => Effect.Effect<Answer>
  readonly destroy: () => void
}

const read = (frames: ReadonlyArray<Buffer>): Answer => {
  const results: Array<Result> = []
  let rows: Array<ReadonlyArray<string | null>> | null = null
  let error: ServerMessage.ServerError | undefined
  let status: string | undefined
  for (const frame of frames) {
    switch (frame[0]) {
      case Frame.code.rowDescription:
        rows = []
        break
      case Frame.code.dataRow:
        ;(rows ??= []).push(ServerMessage.readRow(frame))
        break
      case Frame.code.commandComplete:
        results.push({ tag: ServerMessage.readTag(frame), rows })
        rows = null
        break
      case Frame.code.error:
        error = ServerMessage.readError(frame)
        break
      case Frame.code.ready:
        status = String.fromCharCode(frame[5] ?? 0)
    }
  }
  return { results, error, status, frames }
}

/** Connects over any stream; the connection ends with the scope. */
export const make = (open: () => Duplex, database: string, parameters: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const socket = yield* Effect.acquireRelease(Effect.sync(open), (socket) => Effect.sync(() => socket.destroy()))
    const framer = Frame.makeFramer(1 << 30)
    let frames: Array<Buffer> = []
    let left = 0
    let done: ((answer: Answer) => void) | undefined
    const settle = () => {
      const answer = read(frames)
      const tell = done
      frames = []
      done = undefined
      tell?.(answer)
    }
    socket.on("data", (chunk: Buffer) => {
      framer(chunk, (frame) => {
        frames.push(frame)
        if (frame[0] === Frame.code.ready && --left === 0) settle()
      })
    })
    socket.on("close", settle).on("error", settle)
    const send = (bytes: Buffer, readies = 1) =>
      Effect.callback<Answer>((resume) => {
        left = readies
        done = (answer) => resume(Effect.succeed(answer))
        if (socket.destroyed) settle()
        else socket.write(bytes)
      })
    const started = yield* send(ClientMessage.startup(Object.entries({ user: "admin", database, ...parameters })))
    const client: WireClient & { readonly started: Answer } = {
      started,
      send,
      query: (sql) => send(ClientMessage.query(sql)),
      destroy: () => socket.destroy()
    }
    return client
  })

export const conflict = "40001 change conflicts with another transaction (OC000)"
export const schemaConflict = "40001 schema has been updated by another transaction (OC001)"

/** What a client was told, in a line: tags, or the error. */
export const said = (answer: Answer): string =>
  answer.error === undefined
    ? answer.results.map((result) => result.tag).join(", ")
    : `${answer.error.sqlstate} ${answer.error.message}`

export const ask = (client: WireClient, sql: string) => Effect.map(client.query(sql), said)

/** Asks, and expects to be told exactly this. */
export const tells = (client: WireClient, sql: string, expected: string) =>
  Effect.map(ask(client, sql), (told) => assert.strictEqual(told, expected, sql))

/** The rows that a statement gives. */
export const rows = (client: WireClient, sql: string) =>
  Effect.map(client.query(sql), (answer) => {
    assert.isUndefined(answer.error, `${sql}: ${answer.error?.message}`)
    return answer.results.at(-1)?.rows ?? []
  })

/** Asks for rows, and expects exactly these. */
export const gives = (client: WireClient, sql: string, expected: ReadonlyArray<ReadonlyArray<string | null>>) =>
  Effect.map(rows(client, sql), (found) => assert.deepStrictEqual(found, expected, sql))
