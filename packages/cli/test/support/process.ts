/**
 * The command line as a real process: for what a call of it (`program.ts`) cannot show, such as signals and pipes.
 */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

export const bin = fileURLToPath(new URL("../../src/bin.ts", import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export type Variables = Readonly<Record<string, string>>

/** The environment of a command line: these variables, and no others that it reads. */
export const environment = (variables: Variables): Variables => ({
  PATH: process.env["PATH"] ?? "",
  HOME: "/nonexistent",
  ...variables
})

export interface Running {
  readonly kill: (signal: NodeJS.Signals) => void
  /** What it printed first, or nothing where it ended without a word. */
  readonly spoke: Promise<string>
  /** What it said first on standard error, or nothing where it ended without a word. */
  readonly warned: Promise<string>
  /** Is over when what it has printed so far satisfies, or when it ended. */
  readonly said: (satisfies: (stdout: string) => boolean) => Promise<void>
  readonly ended: Promise<Ended>
}

/** Starts the process. */
export const start = (
  args: ReadonlyArray<string>,
  variables: Variables = {},
  { input, ...options }: { readonly uid?: number; readonly cwd?: string; readonly input?: string | Uint8Array } = {}
): Running => {
  const child = spawn(process.execPath, [bin, ...args], {
    env: environment(variables),
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
    said: (satisfies) =>
      new Promise((resolve) => {
        const look = () => satisfies(stdout) && resolve()
        child.stdout.on("data", look)
        child.once("close", () => resolve())
        look()
      }),
    ended: new Promise((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr })))
  }
}

/** Runs the process to its end. */
export const run = (...input: Parameters<typeof start>) => Effect.promise(() => start(...input).ended)
