/**
 * The first bytes of a connection, by hand: whether anybody is there, whether it
 * speaks PostgreSQL's protocol, and which encryption it offers. The driver only
 * says that it could not connect; an operator asks why.
 */
import * as Effect from "effect/Effect"
import { connect, isIP, type Socket } from "node:net"
import { connect as secure } from "node:tls"

export type Handshake =
  | { readonly _tag: "Unreachable"; readonly problem: string; readonly advice: string }
  | (Reached & { readonly _tag: "NotPostgres" | "Plain" })
  /** `problem`: why the certificate is not to be trusted. */
  | (Reached & { readonly _tag: "Encrypted"; readonly protocol: string; readonly problem: string | undefined })

interface Reached {
  readonly address: string
  /** How long the TCP connection took to open. */
  readonly millis: number
}

const timeout = 5_000

// SSLRequest of the frontend/backend protocol: its length, and a version that no protocol has.
const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

export const make = (host: string, port: number): Effect.Effect<Handshake> =>
  Effect.callback((resume) => {
    const started = performance.now()
    const socket = connect({ host, port })
    socket.setTimeout(timeout)
    let reached: Reached | undefined
    const end = (result: Handshake) => {
      socket.destroy()
      resume(Effect.succeed(result))
    }
    const fail = (error: NodeJS.ErrnoException) =>
      end(
        reached === undefined
          ? { _tag: "Unreachable", ...unreachable(error, host, port) }
          : { _tag: "NotPostgres", ...reached }
      )
    socket.once("error", fail)
    socket.once("timeout", () => fail(Object.assign(new Error("timeout"), { code: "ETIMEDOUT" })))
    socket.once("close", () => fail(new Error("closed")))
    socket.once("connect", () => {
      const here = { address: socket.remoteAddress ?? host, millis: Math.round(performance.now() - started) }
      reached = here
      socket.once("data", (answer) => {
        const [first] = answer
        // "S" or "N"; anything else is another protocol.
        if (first === 83) return encrypt(socket, host, here, end)
        end({ _tag: first === 78 ? "Plain" : "NotPostgres", ...here })
      })
      socket.write(sslRequest)
    })
    return Effect.sync(() => void socket.destroy())
  })

const encrypt = (socket: Socket, host: string, reached: Reached, end: (result: Handshake) => void) => {
  const encrypted = secure({
    socket,
    // An address is no name to ask for.
    ...(isIP(host) === 0 && { servername: host }),
    host,
    rejectUnauthorized: false,
    ALPNProtocols: ["postgresql"]
  })
  encrypted.once("error", (error) => end({ _tag: "Encrypted", ...reached, protocol: "TLS", problem: error.message }))
  encrypted.once("secureConnect", () => {
    const protocol = encrypted.getProtocol() ?? "TLS"
    const problem = encrypted.authorized ? undefined : String(encrypted.authorizationError)
    end({ _tag: "Encrypted", ...reached, protocol, problem })
  })
}

const unreachable = (error: NodeJS.ErrnoException, host: string, port: number) => {
  switch (error.code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return {
        problem: `${host} has no address`,
        advice: "check --endpoint, that the cluster exists, and this machine's DNS"
      }
    case "ECONNREFUSED":
      return { problem: `nobody listens at ${host}:${port}`, advice: "check --endpoint and --port" }
    case "ETIMEDOUT":
      return {
        problem: `${host}:${port} did not answer within ${timeout / 1000} s`,
        advice: "check the route to it: security groups, VPC endpoint, firewall"
      }
    default:
      return { problem: `${host}:${port}: ${error.code ?? error.message}`, advice: "check --endpoint and the network" }
  }
}
