/**
 * A process that only forwards bytes between clients and a server: what is left of the server's speed when any process
 * stands before it. It prints its port and waits to be ended.
 */
import { connect, createServer } from "node:net"

const port = Number(process.argv[2])

const server = createServer({ noDelay: true }, (client) => {
  const backend = connect({ host: "127.0.0.1", port, noDelay: true })
  client.on("data", (bytes) => backend.write(bytes)).on("close", () => backend.destroy())
  backend.on("data", (bytes) => client.write(bytes)).on("close", () => client.destroy())
  for (const socket of [client, backend]) socket.on("error", () => socket.destroy())
})

server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  process.stdout.write(`${typeof address === "object" && address !== null ? address.port : 0}\n`)
})
