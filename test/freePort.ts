import { createServer } from "node:net"

/** A port of this machine that was free a moment ago. */
export const freePort = () =>
  new Promise<string>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(String(typeof address === "object" ? address?.port : address)))
    })
  })
