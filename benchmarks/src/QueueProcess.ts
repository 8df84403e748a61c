/**
 * A process of workers. Its parent says on which queue, and how many; it says how many jobs they have done.
 */
import { type Contender, starts } from "./QueueWorkers.ts"

/** What the parent says first; then "stop". */
export interface Order {
  readonly contender: Contender
  readonly url: string
  readonly workers: number
}

/** Ends the workers. */
let stop = async (): Promise<unknown> => undefined
let done = 0

process.on("message", async (order: Order | "stop") => {
  if (order === "stop") {
    await stop()
    done = 0
    process.send?.("stopped")
    return
  }
  stop = await starts[order.contender](order.url, order.workers, () => done++)
})
process.on("disconnect", () => process.exit())

setInterval(() => {
  if (done > 0) process.send?.(done)
  done = 0
}, 5)
process.send?.("ready")
