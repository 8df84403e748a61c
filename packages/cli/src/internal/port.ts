/**
 * A port, wherever it is written: in a flag, in the environment, in a project's file.
 */
import * as Effect from "effect/Effect"
import { InvalidUsage } from "../Failure.ts"

/** Reads a port; `said` is how it stands where it was written. */
export const portOf = (text: string, said: string): Effect.Effect<number, InvalidUsage> => {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535
    ? Effect.succeed(port)
    : Effect.fail(new InvalidUsage({ message: `${said} is not a port: give a number from 1 to 65535` }))
}
