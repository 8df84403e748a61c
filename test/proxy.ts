/**
 * A network between clients and a server that loses, delays and falls silent on purpose, message by message.
 *
 * A client's turn is what it sends until it waits for an answer: a statement, BEGIN or COMMIT. Logging in is none.
 * It can speak TLS to the client.
 */
import { Deferred, Effect, Redacted } from "effect"
import { createServer, connect, type Server, type Socket } from "node:net"
import { TLSSocket, createSecureContext } from "node:tls"

/** Which message a cut falls on. */
export type Cut =
  /** The client's next turn is not passed on. */
  | "request"
  /** The client's next turn is passed on, and its answer is not. */
  | "answer"

/**
 * The turn whose statement contains a text, or for which a function says so, which is asked of each until it does. Of a
 * turn of several statements it is the last one; `first` is the one that it begins with, as with BEGIN.
 */
export type Which = string | ((sql: string, first: string) => boolean)

/** Whether a turn is such a one. */
export const isSuch = (which: Which, sql: string, first: string): boolean =>
  typeof which === "string" ? sql.includes(which) : which(sql, first)

/** A turn that is under way: its sender is cut off already, and the server has not seen it. */
export interface Late {
  /** Waits until the turn has come and its sender is cut off; gives the statement. */
  readonly held: Effect.Effect<string>
  /**
   * Lets the turn arrive, and those that were sent with it behind it, waits until the server has answered them, and ends
   * its connection. Gives false where none has
   * come, and from then on none is held.
   */
  readonly arrive: Effect.Effect<boolean>
}

export interface Proxy {
  readonly port: number
  /** The URL of the server behind, through the proxy. */
  readonly url: Redacted.Redacted
  /** Cuts the connection that speaks next, or the one that has the turn. */
  readonly cut: (where: Cut, which?: Which) => Effect.Effect<void>
  /** Holds the turn back, and cuts its client off. */
  readonly hold: (which: Which) => Effect.Effect<Late>
  /** Lets the turn be answered; from then on nothing reaches anybody. Gives the wait for it, and the statement. */
  readonly silence: (which: Which) => Effect.Effect<Effect.Effect<string>>
  /** How many connections the proxy has accepted. */
  readonly accepted: () => number
}

const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

/** What a client logs in with: version 3.0 of the protocol. */
const startup = 196_608

/** The message that ends an answer. */
const readyForQuery = "Z"

/** Cuts a stream of bytes into messages: a type, except for the first ones of a client, and a length. */
const framing = (isTyped: () => boolean, onMessage: (type: string, message: Buffer) => void) => {
  let rest = Buffer.alloc(0)
  return (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    while (true) {
      const at = isTyped() ? 1 : 0
      if (rest.length < at + 4) return
      const end = at + rest.readInt32BE(at)
      if (rest.length < end) return
      const message = rest.subarray(0, end)
      rest = rest.subarray(end)
      onMessage(at === 1 ? String.fromCharCode(message[0] ?? 0) : "", message)
    }
  }
}

/** Where the body of a message with a type begins. */
const body = 5

const text = (message: Buffer, from: number) => message.subarray(from, message.indexOf(0, from)).toString()

const afterText = (message: Buffer, from: number) => message.indexOf(0, from) + 1

/** What is told of a client. */
interface Heard {
  /** The client begins to log in, which the server answers once. */
  readonly startup: () => void
  readonly turn: (sql: string, first: string, bytes: Buffer) => void
  /** What is part of no turn. */
  readonly other: (bytes: Buffer) => void
}

/** Reads what a client says. */
const listen = (heard: Heard) => {
  const prepared = new Map<string, string>()
  let isStarted = false
  let first: string | undefined
  let sql = ""
  let said: Array<Buffer> = []
  return framing(
    () => isStarted,
    (type, message) => {
      if (type === "" && message.readInt32BE(4) === startup) {
        isStarted = true
        heard.startup()
      }
      // Logging in, and saying goodbye.
      if (type === "" || type === "p" || type === "X") return heard.other(message)
      said.push(message)
      if (type === "P") prepared.set(text(message, body), text(message, afterText(message, body)))
      if (type === "B") sql = prepared.get(text(message, afterText(message, body))) ?? ""
      if (type === "Q") sql = text(message, body)
      if (type === "B" || type === "Q") first ??= sql
      if (type !== "Q" && type !== "S") return
      const [bytes, begin, statement] = [Buffer.concat(said), first ?? sql, sql]
      said = []
      first = undefined
      sql = ""
      heard.turn(statement, begin, bytes)
    }
  )
}

/** What is done with a turn, once: it is passed on otherwise. */
interface Order {
  readonly which: Which
  readonly obey: (sql: string, line: Line, bytes: Buffer) => void
}

/** One client's connection, and the one to the server that is its. */
interface Line {
  /** Sends to the server, and does something when the answer is complete, or never comes. */
  readonly pass: (bytes: Buffer, answered: () => void) => void
  /** The turns that the client had sent behind the one after which it was left. */
  readonly behind: ReadonlyArray<Buffer>
  /** Keeps from the client whatever the server says. */
  readonly mute: () => void
  /** Cuts the client off, and leaves the server in the belief that it is there. */
  readonly leave: () => void
  /** Cuts both off. */
  readonly drop: () => void
}

export const make = (target: Redacted.Redacted, tls?: { readonly cert: string; readonly key: string }) =>
  Effect.gen(function* () {
    const url = new URL(Redacted.value(target))
    const sockets = new Set<Socket>()
    const orders = new Set<Order>()
    let accepted = 0
    let isSilent = false
    const relay = (client: Socket | TLSSocket, ends: ReadonlyArray<Socket>) => {
      const server = connect(Number(url.port), url.hostname)
      sockets.add(server)
      /** What waits for the server's answers, in their order. */
      const waiting: Array<() => void> = []
      let hasBegun = false
      let isLeft = false
      const behind: Array<Buffer> = []
      const line: Line = {
        behind,
        pass: (bytes, answered) => {
          waiting.push(answered)
          if (server.destroyed) return over()
          server.write(bytes)
        },
        mute: () => {
          isLeft = true
        },
        leave: () => {
          isLeft = true
          client.off("close", line.drop)
          client.destroy()
        },
        drop: () => [client, server, ...ends].forEach((socket) => socket.destroy())
      }
      const over = () => waiting.splice(0).forEach((answered) => answered())
      const spoken = listen({
        startup: () => {
          hasBegun = true
          waiting.push(() => {})
        },
        other: (bytes) => server.write(bytes),
        turn: (sql, first, bytes) => {
          if (isLeft) return void behind.push(bytes)
          const order = [...orders].find(({ which }) => isSuch(which, sql, first))
          if (order === undefined) return line.pass(bytes, () => {})
          orders.delete(order)
          order.obey(sql, line, bytes)
        }
      })
      const heard = framing(
        () => true,
        (type) => {
          if (type === readyForQuery) waiting.shift()?.()
        }
      )
      client.on("data", (chunk: Buffer) => {
        if (!isSilent && !isLeft) spoken(chunk)
      })
      server.on("data", (chunk) => {
        if (hasBegun) heard(chunk)
        if (!isSilent && !isLeft) client.write(chunk)
      })
      server.on("close", line.drop).on("close", over).on("error", line.drop)
      client.on("close", line.drop).on("error", () => client.destroy())
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
      cut: (where, which = () => true) =>
        Effect.sync(() => {
          orders.add({
            which,
            obey: (_, line, bytes) => {
              if (where === "request") return line.drop()
              // The client is cut off once the server has done it: who looks then finds it.
              line.mute()
              return line.pass(bytes, line.drop)
            }
          })
        }),
      hold: (which) =>
        Effect.gen(function* () {
          const held = yield* Deferred.make<string>()
          const answered = yield* Deferred.make<void>()
          let send = () => {}
          const order: Order = {
            which,
            obey: (sql, line, bytes) => {
              send = () => {
                // A network keeps the order of a connection's bytes, so what was sent with it comes with it.
                const turns = [bytes, ...line.behind]
                turns.forEach((turn, index) =>
                  line.pass(turn, () => {
                    if (index < turns.length - 1) return
                    line.drop()
                    Deferred.doneUnsafe(answered, Effect.void)
                  })
                )
              }
              line.leave()
              Deferred.doneUnsafe(held, Effect.succeed(sql))
            }
          }
          orders.add(order)
          return {
            held: Deferred.await(held),
            arrive: Effect.suspend(() => {
              if (orders.delete(order)) return Effect.succeed(false)
              send()
              return Effect.as(Deferred.await(answered), true)
            })
          }
        }),
      silence: (which) =>
        Effect.gen(function* () {
          const silent = yield* Deferred.make<string>()
          const obey: Order["obey"] = (sql, line, bytes) =>
            line.pass(bytes, () => {
              isSilent = true
              Deferred.doneUnsafe(silent, Effect.succeed(sql))
            })
          orders.add({ which, obey })
          return Deferred.await(silent)
        }),
      accepted: () => accepted
    }
    return proxy
  })
