/**
 * A TCP proxy before the server that can cut a connection at a chosen moment,
 * and can speak TLS to the client.
 */
import { Deferred, Effect, Redacted } from "effect"
import { createServer, connect, type Server, type Socket } from "node:net"
import { TLSSocket, createSecureContext } from "node:tls"

/** Which message a cut falls on. */
export type Cut =
  /** The client's next message is not passed on. */
  | "request"
  /** The client's next message is passed on, and its answer is not. */
  | "answer"

/** A message that is under way: its sender is cut off already, and the server has not seen it. */
export interface Late {
  /** Waits until the message has come and its sender is cut off. */
  readonly held: Effect.Effect<void>
  /** Lets the message arrive, and waits until the server has answered it. */
  readonly arrive: Effect.Effect<void>
}

export interface Proxy {
  readonly port: number
  /** The URL of the server behind, through the proxy. */
  readonly url: Redacted.Redacted
  /** Cuts the connection that speaks next. */
  readonly cut: (where: Cut) => Effect.Effect<void>
  /** Holds the client's next message in which this text stands, and cuts the client off. */
  readonly hold: (text: string) => Effect.Effect<Late>
  /** How many connections the proxy has accepted. */
  readonly accepted: () => number
}

const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

export const make = (target: Redacted.Redacted, tls?: { readonly cert: string; readonly key: string }) =>
  Effect.gen(function* () {
    const url = new URL(Redacted.value(target))
    const sockets = new Set<Socket>()
    let armed: Cut | undefined
    let holding:
      | { readonly text: string; readonly hold: (message: Buffer, client: Socket, server: Socket) => void }
      | undefined
    let accepted = 0
    const relay = (client: Socket | TLSSocket, ends: ReadonlyArray<Socket>) => {
      const server = connect(Number(url.port), url.hostname)
      sockets.add(server)
      let silent = false
      const drop = () => [client, server, ...ends].forEach((socket) => socket.destroy())
      client.on("data", (chunk: Buffer) => {
        if (holding !== undefined && chunk.includes(holding.text)) {
          client.off("close", drop)
          holding.hold(chunk, client, server)
          holding = undefined
          return
        }
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
      server.on("close", drop).on("error", drop)
      client.on("close", drop).on("error", () => client.destroy())
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
      hold: (text) =>
        Effect.gen(function* () {
          const held = yield* Deferred.make<void>()
          const answered = yield* Deferred.make<void>()
          let send = () => {}
          holding = {
            text,
            hold: (message, client, server) => {
              send = () => {
                server.once("data", () => Deferred.doneUnsafe(answered, Effect.void))
                server.write(message)
              }
              client.destroy()
              Deferred.doneUnsafe(held, Effect.void)
            }
          }
          return {
            held: Deferred.await(held),
            arrive: Effect.suspend(() => {
              send()
              return Deferred.await(answered)
            })
          }
        }),
      accepted: () => accepted
    }
    return proxy
  })
