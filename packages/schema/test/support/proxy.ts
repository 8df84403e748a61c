/**
 * A network between a client and a server that stops after a given step: the server has done it, and the client will
 * never hear of it.
 */
import { Effect, type Scope } from "effect"
import { connect, createServer, type Socket } from "node:net"

export interface Proxy {
  readonly port: number
  /** What the step was that it stopped after; undefined where the client ended before. */
  readonly stopped: Promise<string | undefined>
  /** Call when the client has ended. */
  readonly over: () => void
}

/** Cuts a stream of bytes into messages: a type, except for the first ones of a client, and a length. */
const framing = (isTyped: () => boolean, onMessage: (type: string, body: Buffer) => void) => {
  let rest = Buffer.alloc(0)
  return (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    while (true) {
      const at = isTyped() ? 1 : 0
      if (rest.length < at + 4) return
      const end = at + rest.readInt32BE(at)
      if (rest.length < end) return
      const type = at === 1 ? String.fromCharCode(rest[0] ?? 0) : ""
      const body = rest.subarray(at + 4, end)
      rest = rest.subarray(end)
      onMessage(type, body)
    }
  }
}

const text = (body: Buffer, from = 0) => body.subarray(from, body.indexOf(0, from)).toString()

/** Listens in front of a port, and stops after the nth step that `counts`. */
export const make = (
  target: number,
  n: number,
  counts: (sql: string) => boolean
): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Proxy & { readonly close: () => void }>((resume) => {
      const { promise, resolve } = Promise.withResolvers<string | undefined>()
      const sockets = new Set<Socket>()
      let steps = 0
      let isStopped = false
      const listener = createServer((client) => {
        const server = connect(target, "127.0.0.1")
        for (const socket of [client, server]) sockets.add(socket.on("error", () => socket.destroy()))
        const statements = new Map<string, string>()
        let started = false
        let sql = ""
        let last: string | undefined
        const spoken = framing(
          () => started,
          (type, body) => {
            if (type === "") started = body.readInt32BE(0) === 196_608
            if (type === "P") statements.set(text(body), text(body, body.indexOf(0) + 1))
            if (type === "B") sql = statements.get(text(body, body.indexOf(0) + 1)) ?? ""
            if (type === "Q") sql = text(body)
            if ((type === "Q" || type === "S") && counts(sql)) {
              steps++
              if (steps === n) last = sql
            }
          }
        )
        const heard = framing(
          () => true,
          (type) => {
            if (type !== "Z" || last === undefined || isStopped) return
            isStopped = true
            resolve(last)
          }
        )
        client.on("data", (chunk) => {
          if (isStopped) return
          spoken(chunk)
          server.write(chunk)
        })
        server.on("data", (chunk) => {
          if (started) heard(chunk)
          if (!isStopped) client.write(chunk)
        })
        client.on("close", () => server.destroy())
        server.on("close", () => client.destroy())
      })
      listener.listen(0, "127.0.0.1", () => {
        const address = listener.address()
        resume(
          Effect.succeed({
            port: typeof address === "object" && address !== null ? address.port : 0,
            stopped: promise,
            over: () => resolve(undefined),
            close: () => {
              listener.close()
              for (const socket of sockets) socket.destroy()
            }
          })
        )
      })
    }),
    ({ close }) => Effect.sync(close)
  )
