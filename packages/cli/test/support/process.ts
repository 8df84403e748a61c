/**
 * The command line as a real process, and a database for it to work on.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"

const bin = fileURLToPath(new URL("../../src/bin.ts", import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly kill: (signal: NodeJS.Signals) => void
  /** What it printed first, or nothing where it ended without a word. */
  readonly spoke: Promise<string>
  /** What it said first on standard error, or nothing where it ended without a word. */
  readonly warned: Promise<string>
  readonly ended: Promise<Ended>
}

/** Starts the process with these variables and no others that it reads. */
export const start = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
  { input, ...options }: { readonly uid?: number; readonly cwd?: string; readonly input?: string | Uint8Array } = {}
): Running => {
  const child = spawn(process.execPath, [bin, ...args], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", ...env },
    stdio: ["pipe", "pipe", "pipe"],
    ...options
  })
  child.stdin.end(input)
  let stdout = ""
  let stderr = ""
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk))
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk))
  return {
    kill: (signal) => child.kill(signal),
    spoke: new Promise((resolve) => {
      child.stdout.once("data", (chunk: string) => resolve(chunk))
      child.once("close", () => resolve(""))
    }),
    warned: new Promise((resolve) => {
      child.stderr.once("data", (chunk: string) => resolve(chunk))
      child.once("close", () => resolve(""))
    }),
    ended: new Promise((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr })))
  }
}

/** Runs the process to its end. */
export const run = (...input: Parameters<typeof start>) => Effect.promise(() => start(...input).ended)

/** The server that all test files share. */
export const server = () => new URL(inject("postgresUrl"))

export const password = () => decodeURIComponent(server().password)

const connect = (url: URL) => Effect.provide(PgClient.makeClient({ url: Redacted.make(url.href) }), Reactivity.layer)

/** A database of its own: the environment that leads to it, and a way to look into it. */
export const database = Effect.gen(function* () {
  const name = `test_${randomUUID().replaceAll("-", "")}`
  const admin = yield* connect(server())
  yield* Effect.acquireRelease(admin.unsafe(`CREATE DATABASE ${name}`), () =>
    Effect.orDie(admin.unsafe(`DROP DATABASE ${name} WITH (FORCE)`))
  )
  const url = server()
  url.pathname = `/${name}`
  const sql = yield* connect(url)
  const env: Readonly<Record<string, string>> = {
    SQL_HOST: url.hostname,
    SQL_PORT: url.port,
    SQL_USER: decodeURIComponent(url.username),
    SQL_PASSWORD: password(),
    SQL_DATABASE: name
  }
  return { env, rows: (text: string) => sql.unsafe(text) }
})
