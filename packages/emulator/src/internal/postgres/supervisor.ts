/**
 * Runs one child process for as long as the process that started this one lives.
 *
 * A killed parent cannot clean up, and PostgreSQL would go on without it. This
 * process holds the read end of a pipe whose other end dies with the parent.
 */
import { spawn } from "node:child_process"
import { rmSync } from "node:fs"

const [uid, gid, temporary, directory, command = "", ...args] = process.argv.slice(2)

const child = spawn(command, args, {
  cwd: directory,
  stdio: ["ignore", "inherit", "inherit"],
  // Libraries are linked once, and not by each session for itself.
  env: { ...process.env, LD_BIND_NOW: "1" },
  ...(uid !== undefined && uid !== "-" && { uid: Number(uid) }),
  ...(gid !== undefined && gid !== "-" && { gid: Number(gid) })
})

// SIGINT is PostgreSQL's fast shutdown: sessions are ended, data is kept.
const stop = () => child.kill("SIGINT")

process.stdin.on("end", stop).on("error", stop).resume()
process.on("SIGINT", stop).on("SIGTERM", stop)
child.on("error", (error) => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
child.on("exit", (code, signal) => {
  if (temporary !== undefined && temporary !== "-") rmSync(temporary, { recursive: true, force: true })
  process.exit(signal === null ? (code ?? 1) : 1)
})
