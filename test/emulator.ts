/**
 * An emulated Aurora DSQL of its own for a test that breaks it on purpose, over the server that all files share.
 */
import { Testing } from "@effect-dsql/testing"
import { guarded, unwatched } from "./database.ts"

export { Control } from "@effect-dsql/testing/Testing"

/** A client on an emulator of its own, with a database of its own, and the emulator's control. */
export const TestEmulator = (emulator: NonNullable<Testing.Options["emulator"]> = {}) =>
  Testing.layer({ client: { guarded }, emulator: { ...unwatched, ...emulator } })
