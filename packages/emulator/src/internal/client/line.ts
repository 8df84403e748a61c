/**
 * A line of messages that each wait for their time: who came first is served first, however long the others wait.
 */

/** Makes a line; what is put into it is delivered after its delay in milliseconds, and never before what came earlier. */
export const makeLine = <A>(deliver: (message: A) => void, now: () => number = () => performance.now()) => {
  const waiting: Array<{ readonly message: A; readonly due: number }> = []
  const serve = () => {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      const left = next.due - now()
      // A timer that is set for part of a millisecond comes too early.
      if (left > 0) return void setTimeout(serve, Math.ceil(left))
      waiting.shift()
      deliver(next.message)
    }
  }
  return (message: A, delay: number): void => {
    if (delay <= 0 && waiting.length === 0) return deliver(message)
    waiting.push({ message, due: now() + delay })
    if (waiting.length === 1) serve()
  }
}
