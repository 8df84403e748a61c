/** Output that cannot be written. Imports next to nothing: `--version` waits for it. */
import { ExitCode } from "../ExitCode.ts"

/** Says so, unless the reader is gone and knows why; gives the code to end with. */
export const report = (error: NodeJS.ErrnoException): ExitCode => {
  if (error.code === "EPIPE") return ExitCode.pipe
  const problem =
    error.code === "ENOSPC" ? "the disk is full: free some space" : `${error.message}: look at where it goes`
  process.stderr.write(`error: cannot write the output: ${problem}, then run again\n`)
  return ExitCode.output
}
