/**
 * How a client's connection begins: TLS where it asks for it, and its startup message.
 */
import { Dialect } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type { Duplex } from "node:stream"
import { TLSSocket } from "node:tls"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as Refusal from "../statement/refusal.ts"
import { ownSettings } from "../statement/version.ts"
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

/** What a startup message says that is no setting. */
const addressing: ReadonlySet<string> = new Set(["database", "options", "replication", "user"])

/** The settings in the options of a startup message: `-c name=value` and `--name=value`, as PostgreSQL reads them. */
const optionsOf = (text: string): ReadonlyArray<string> => {
  const words = [...text.matchAll(/(?:\\.|\S)+/gs)].map(([word]) => word.replaceAll(/\\(.)/gs, "$1"))
  return words.flatMap((word, n) => {
    const setting = word === "-c" ? words[n + 1] : /^(?:-c|--)(.+)$/s.exec(word)?.[1]
    const name = setting?.split("=", 1)[0]
    return name === undefined ? [] : [name.replaceAll("-", "_")]
  })
}

/** Clients that are given a URL say to any server what goes without saying here. */
const isUnderstood = (name: string, value: string): boolean =>
  name === "default_transaction_isolation" && value === "repeatable read"

/** Why a session may not begin with its settings: none that SET refuses. */
export const objection = (parameters: ReadonlyMap<string, string>): Refusal.Refusal | undefined => {
  const named = [...parameters].flatMap(([name, value]) =>
    addressing.has(name) || name.startsWith("_pq_.") || isUnderstood(name, value) ? [] : [name]
  )
  const refused = [...named, ...optionsOf(parameters.get("options") ?? "")].find((name) => !Dialect.isSettable(name))
  return refused === undefined ? undefined : Refusal.notSettable(refused)
}

/** What a client may say about its session at startup goes to PostgreSQL, but for what only the service has. */
export const backendParameters = (parameters: ReadonlyMap<string, string>): Map<string, string> => {
  const own = new Map([...parameters].filter(([name]) => !(name in ownSettings)))
  own.set("user", parameters.get("user") ?? "admin")
  own.set("database", parameters.get("database") ?? parameters.get("user") ?? "postgres")
  own.set("default_transaction_isolation", "repeatable read")
  own.set("TimeZone", parameters.get("TimeZone") ?? "UTC")
  return own
}
