/**
 * For a test of what is told of in the log: it is expected there, so it is not printed.
 */
import { Logger } from "effect"

export const Quiet = Logger.layer([])
