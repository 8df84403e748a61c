import { onBeforeUnmount, onMounted, ref, shallowRef, watch, type Ref, type ShallowRef } from "vue"
import type { Answers, Contest, Fleet } from "../../src/Simulation.ts"

/** What a worker answered last. */
export interface Simulated<Answer> {
  readonly answer: Readonly<ShallowRef<Answer | undefined>>
  /** Whether it still computes, so that the answer is one to an earlier question, or none. */
  readonly busy: Readonly<Ref<boolean>>
}

/**
 * What a worker answers to a question, again whenever the question changes. While it computes, only the newest
 * question waits: an answer to where a slider has been is of no use.
 */
export const simulated = <Question extends Contest | Fleet>(
  question: () => Question
): Simulated<Answers[Question["kind"]]> => {
  const answer = shallowRef<Answers[Question["kind"]]>()
  // A page that was rendered elsewhere has no answer yet, and no worker.
  const busy = ref(true)
  let worker: Worker | undefined
  let waiting: Question | undefined
  const ask = (asked: Question) => {
    busy.value = true
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
    worker?.postMessage(asked)
  }
  onMounted(() => {
    worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" })
    worker.addEventListener("message", ({ data }) => {
      answer.value = data
      busy.value = false
      const next = waiting
      waiting = undefined
      if (next !== undefined) ask(next)
    })
    ask(question())
  })
  watch(question, (asked) => {
    if (busy.value) waiting = asked
    else ask(asked)
  })
  onBeforeUnmount(() => worker?.terminate())
  return { answer, busy }
}
