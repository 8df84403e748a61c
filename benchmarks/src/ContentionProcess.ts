/**
 * A process of contenders. Its parent says by which policy, and how many; and, once all processes are ready, to begin.
 */
import { starts, type Contender, type Name } from "./ContentionPolicies.ts"

/** What the parent says first; then "begin". */
export interface Order {
  readonly policy: Name
  readonly url: string
  readonly contenders: number
}

/** What came of it: milliseconds since the beginning at which one committed. */
export interface Result {
  readonly attempts: number
  readonly committed: ReadonlyArray<number>
  readonly gaveUp: number
  readonly finish: number
}

let prepared: { readonly contender: Contender; readonly contenders: number } | undefined

process.on("message", async (order: Order | "begin") => {
  if (order !== "begin") {
    prepared = { contender: await starts[order.policy](order.url, order.contenders), contenders: order.contenders }
    process.send?.("ready")
    return
  }
  if (prepared === undefined) return
  const { contender, contenders } = prepared
  const start = performance.now()
  const committed: Array<number> = []
  const one = async () => {
    if (await contender.increment()) committed.push(performance.now() - start)
  }
  await Promise.all(Array.from({ length: contenders }, one))
  const finish = performance.now() - start
  await contender.stop()
  const result: Result = {
    attempts: contender.attempts(),
    committed,
    gaveUp: contenders - committed.length,
    finish
  }
  process.send?.(result)
})
process.on("disconnect", () => process.exit())
