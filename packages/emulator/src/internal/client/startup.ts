/**
 * How a client's connection begins: TLS where it asks for it, and its startup message.
 */
import * as Effect from "effect/Effect"
import type { Duplex } from "node:stream"
import { TLSSocket } from "node:tls"
import * as ClientMessage from "../protocol/clientMessage.ts"
import { hangUp, protocolViolation } from "./socket.ts"

/** A certificate and its key, PEM. */
export interface Certificate {
  readonly key: string | Buffer
  readonly cert: string | Buffer
}

/** A socket with bytes that were read too far. */
export interface Opened {
  readonly socket: Duplex
  readonly parameters: ReadonlyMap<string, string>
  readonly rest: Buffer
}

/** Reads up to the startup message, through TLS where the client asks for it. */
export const opening = (first: Duplex, tls: Certificate | undefined): Effect.Effect<Opened | undefined> =>
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
      for (
        let read = ClientMessage.readStartup(pending);
        read !== undefined;
        read = ClientMessage.readStartup(pending)
      ) {
        pending = read.rest
        const { startup } = read
        if (startup._tag === "GSSRequest") socket.write("N")
        else if (startup._tag === "SSLRequest" && tls === undefined) socket.write("N")
        else if (startup._tag === "SSLRequest") {
          // Bytes after the request are somebody else's: the client waits for the answer before it goes on.
          if (pending.length > 0) return socket.destroy()
          quiet()
          socket.write("S")
          // TLSSocket takes any Duplex; its type says only what most people hand it.
          socket = new TLSSocket(socket as never, { isServer: true, ...tls })
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

/** What a client may say about its session at startup goes to PostgreSQL as it came. */
export const backendParameters = (parameters: ReadonlyMap<string, string>): Map<string, string> => {
  const own = new Map(parameters)
  own.set("user", parameters.get("user") ?? "admin")
  own.set("database", parameters.get("database") ?? parameters.get("user") ?? "postgres")
  own.set("default_transaction_isolation", "repeatable read")
  own.set("TimeZone", parameters.get("TimeZone") ?? "UTC")
  return own
}
