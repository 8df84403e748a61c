import { onBeforeUnmount, onMounted, shallowRef, watch, type ShallowRef } from "vue"
import type { Answers, Contest, Fleet } from "../../src/Simulation.ts"

/**
 * What a worker answers to a question, again whenever the question changes. While it computes, only the newest
 * question waits: an answer to where a slider has been is of no use.
 */
export const simulated = <Question extends Contest | Fleet>(
  question: () => Question
): Readonly<ShallowRef<Answers[Question["kind"]] | undefined>> => {
  const answer = shallowRef<Answers[Question["kind"]]>()
  let worker: Worker | undefined
  let busy = false
  let waiting: Question | undefined
  const ask = (asked: Question) => {
    if (worker === undefined || busy) {
      waiting = asked
      return
    }
    busy = true
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
    worker.postMessage(asked)
  }
  onMounted(() => {
    worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" })
    worker.addEventListener("message", ({ data }) => {
      answer.value = data
      busy = false
      const next = waiting
      waiting = undefined
      if (next !== undefined) ask(next)
    })
    ask(question())
  })
  watch(question, ask)
  onBeforeUnmount(() => worker?.terminate())
  return answer
}
