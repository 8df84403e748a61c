/**
 * How a command line ends with a code of its own, once all has been printed.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"
import type { ExitCode } from "./ExitCode.ts"

/**
 * Ends the program with a code. Whoever fails with it has printed what there is to say.
 *
 * @since 0.1.0
 * @category errors
 */
export class Stop extends Data.TaggedError("Stop")<{ readonly exitCode: ExitCode }> {
  override readonly [Runtime.errorReported] = false
  override get [Runtime.errorExitCode](): number {
    return this.exitCode
  }
}
