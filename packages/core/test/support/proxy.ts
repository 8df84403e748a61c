/**
 * A TCP proxy before the server that can cut a connection at a chosen moment,
 * and can speak TLS to the client.
 */
import { Effect, Redacted } from "effect"
import { createServer, connect, type Server, type Socket } from "node:net"
import { TLSSocket, createSecureContext } from "node:tls"

/** Which message a cut falls on. */
export type Cut =
  /** The client's next message is not passed on. */
  | "request"
  /** The client's next message is passed on, and its answer is not. */
  | "answer"

export interface Proxy {
  readonly port: number
  /** The URL of the server behind, through the proxy. */
  readonly url: Redacted.Redacted
  /** Cuts the connection that speaks next. */
  readonly cut: (where: Cut) => Effect.Effect<void>
  /** How many connections the proxy has accepted. */
  readonly accepted: () => number
}

const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

export const make = (target: Redacted.Redacted, tls?: { readonly cert: string; readonly key: string }) =>
  Effect.gen(function* () {
    const url = new URL(Redacted.value(target))
    const sockets = new Set<Socket>()
    let armed: Cut | undefined
    let accepted = 0
    const relay = (client: Socket | TLSSocket, ends: ReadonlyArray<Socket>) => {
      const server = connect(Number(url.port), url.hostname)
      sockets.add(server)
      let silent = false
      const drop = () => [client, server, ...ends].forEach((socket) => socket.destroy())
      client.on("data", (chunk: Buffer) => {
        if (armed === "request") {
          armed = undefined
          return drop()
        }
        if (armed === "answer") {
          armed = undefined
          silent = true
        }
        server.write(chunk)
      })
      server.on("data", (chunk) => (silent ? drop() : client.write(chunk)))
      for (const socket of [client, server]) socket.on("close", drop).on("error", drop)
    }
    const server = yield* Effect.acquireRelease(
      Effect.callback<Server>((resume) => {
        const listener = createServer((socket) => {
          accepted += 1
          sockets.add(socket)
          if (tls === undefined) return relay(socket, [])
          return void socket.once("data", (first: Buffer) => {
            if (!first.equals(sslRequest)) return void socket.destroy()
            socket.write("S")
            return relay(new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(tls) }), [socket])
          })
        })
        listener.listen(0, "127.0.0.1", () => resume(Effect.succeed(listener)))
      }),
      (listener) =>
        Effect.sync(() => {
          sockets.forEach((socket) => socket.destroy())
          listener.close()
        })
    )
    const address = server.address()
    if (typeof address !== "object" || address === null) return yield* Effect.die("the proxy has no port")
    const through = new URL(url)
    through.port = String(address.port)
    const proxy: Proxy = {
      port: address.port,
      url: Redacted.make(through.href),
      cut: (where) =>
        Effect.sync(() => {
          armed = where
        }),
      accepted: () => accepted
    }
    return proxy
  })
