/**
 * The socket of one connection, encrypted where it was asked for, as the stream that the driver is given.
 *
 * The driver opens the session over it: it says who logs in, proves it, and hears that the server is ready. From then on
 * a `reader` takes what arrives, whenever there is one, and the driver what arrives while there is none.
 */
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as Result from "effect/Result"
// By namespace: a bundle for a browser, where no connection is opened, has no such names to take.
import * as Net from "node:net"
import * as Stream from "node:stream"
import * as Tls from "node:tls"

/** Where a socket goes. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string }

/** How it is encrypted. */
export interface Encryption {
  readonly options: Tls.ConnectionOptions
  /** Whether a server that has no encryption is spoken to without. */
  readonly isOptional: boolean
}

type Reader = (chunk: Uint8Array) => void

/** What a server answers that has no encryption because it has no room for a connection either. */
const errorResponse = "E".charCodeAt(0)

export class Transport {
  /** As the driver is given it. */
  readonly stream: Stream.Duplex
  private reader: Reader | undefined
  private readonly address: Address
  private socket: Net.Socket
  private isOpen = false
  private waiting: (() => void) | undefined

  constructor(address: Address, encryption: Encryption | undefined) {
    this.address = address
    this.stream = new Stream.Duplex({
      allowHalfOpen: false,
      read: () => this.resume(),
      write: (bytes: Uint8Array, _encoding, done) => this.forward(bytes, done),
      final: (done) => this.socket.end(done),
      destroy: (error, done) => {
        this.socket.destroy()
        done(error)
      }
    })
    this.socket =
      "path" in address
        ? Net.connect(address.path)
        : Net.connect({ ...address, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 })
    this.watch()
    this.socket.once("connect", () => (encryption === undefined ? this.opened() : this.negotiate(encryption)))
  }

  /** Hands what arrives to a reader, or to the driver where there is none. */
  readonly hand = (reader: Reader | undefined): void => {
    this.reader = reader
    this.socket.resume()
  }

  /** Writes past the stream, which has nothing to hold back once the session is open. */
  readonly send = (bytes: Uint8Array): void => {
    this.socket.write(bytes)
  }

  /** Ends it at once. */
  readonly destroy = (error?: Error): void => void this.stream.destroy(error)

  private forward(bytes: Uint8Array, done: (error?: Error | null) => void): void {
    if (this.isOpen) this.socket.write(bytes, done)
    else this.waiting = () => this.socket.write(bytes, done)
  }

  private resume(): void {
    if (this.isOpen) this.socket.resume()
  }

  private watch(): void {
    this.socket.on("error", this.failed)
    this.socket.on("close", this.gone)
  }

  private readonly failed = (error: Error): void => this.destroy(error)

  private readonly gone = (): void => this.destroy()

  private readonly arrived = (chunk: Uint8Array): void => {
    if (this.reader !== undefined) this.reader(chunk)
    else if (!this.stream.push(chunk)) this.socket.pause()
  }

  private opened(): void {
    this.isOpen = true
    this.socket.on("data", this.arrived)
    this.waiting?.()
    this.waiting = undefined
  }

  private negotiate(encryption: Encryption): void {
    this.socket.once("data", (answer: Uint8Array) => {
      if (answer[0] === errorResponse) {
        // The driver reads it as the answer to its own first words.
        this.opened()
        this.arrived(answer)
        return
      }
      const problem = this.answered(answer, encryption)
      if (problem !== undefined) this.destroy(problem)
    })
    this.socket.write(PgProtocol.encodeSslRequest())
  }

  private answered(answer: Uint8Array, encryption: Encryption): Error | undefined {
    const [byte = 0] = answer
    // More than the one byte would be somebody else's, put before what is encrypted.
    if (answer.length !== 1) return new Error(`Received ${answer.length} bytes in response to SSLRequest`)
    const decision = PgProtocol.decodeSslResponse(byte)
    if (Result.isFailure(decision)) return decision.failure
    if (decision.success === "S") this.encrypt(encryption.options)
    else if (encryption.isOptional) this.opened()
    else return new Error("The server does not support TLS")
    return undefined
  }

  private encrypt(options: Tls.ConnectionOptions): void {
    const raw = this.socket
    raw.off("error", this.failed)
    const host = "host" in this.address ? this.address.host : "localhost"
    this.socket = Tls.connect({ host, ...(Net.isIP(host) === 0 && { servername: host }), ...options, socket: raw })
    this.watch()
    this.socket.once("secureConnect", () => this.opened())
  }
}
