/**
 * Whatever a program says is proven to read, its suite proves: it is sent where the server refuses to write.
 */
import { Layer } from "effect"
import { Proving } from "../packages/core/src/internal/transaction/proving.ts"

/** The client's, where it is provided. */
export const ProvingReads = Layer.succeed(Proving, true)
