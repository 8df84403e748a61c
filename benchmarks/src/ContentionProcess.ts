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
  readonly finish: number
}

/** What a process answers: to an order that it is ready, to "begin" a result; to either that it could not. */
export type Answer = "ready" | Result | { readonly failed: string }

let prepared: { readonly contender: Contender; readonly contenders: number } | undefined

const prepare = async ({ contenders, policy, url }: Order): Promise<Answer> => {
  prepared = { contender: await starts[policy](url, contenders), contenders }
  return "ready"
}

const contest = async (): Promise<Answer> => {
  if (prepared === undefined) return { failed: "nobody has said what is to begin" }
  const { contender, contenders } = prepared
  const start = performance.now()
  const committed: Array<number> = []
  const one = async () => {
    if (await contender.increment()) committed.push(performance.now() - start)
  }
  await Promise.all(Array.from({ length: contenders }, one))
  const finish = performance.now() - start
  await contender.stop()
  return { attempts: contender.attempts(), committed, finish }
}

process.on("message", (message: Order | "begin") => {
  const failed = (error: unknown): Answer => ({ failed: error instanceof Error ? error.message : String(error) })
  const answered = message === "begin" ? contest() : prepare(message)
  void answered.catch(failed).then((answer) => process.send?.(answer))
})
process.on("disconnect", () => process.exit())
