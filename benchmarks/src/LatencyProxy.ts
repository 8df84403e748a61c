/**
 * A proxy before a server that adds to each round trip what a network would, and counts round trips.
 */
import { Effect } from "effect"
import { connect, createServer, type Server } from "node:net"

export interface LatencyProxy {
  readonly port: number
  /** Times that a client spoke after the server had, on all connections so far. */
  readonly roundTrips: () => number
}

/** Starts a proxy that adds milliseconds to each round trip, until the scope closes. */
export const latencyProxy = (to: { readonly host: string; readonly port: number }, millis: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly server: Server; readonly proxy: LatencyProxy }>((resume) => {
        let roundTrips = 0
        const server = createServer({ noDelay: true }, (client) => {
          const backend = connect({ ...to, noDelay: true })
          let answered = true
          client.on("data", (bytes) => {
            if (answered) roundTrips++
            answered = false
            // Timers of one duration keep their order.
            setTimeout(() => backend.write(bytes), millis)
          })
          backend.on("data", (bytes) => {
            answered = true
            client.write(bytes)
          })
          client.on("close", () => backend.destroy())
          backend.on("close", () => client.destroy())
          for (const socket of [client, backend]) socket.on("error", () => socket.destroy())
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          resume(Effect.succeed({ server, proxy: { port, roundTrips: () => roundTrips } }))
        })
      }),
      // What its clients say last is on its way still.
      ({ server }) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
    ),
    ({ proxy }) => proxy
  )
