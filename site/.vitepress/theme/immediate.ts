/**
 * `setImmediate` for a worker: Effect's scheduler takes it where it is there, and else `setTimeout`, which browsers
 * hold back for 4 ms when it is nested. A simulation yields thousands of times.
 */
const channel = new MessageChannel()
const tasks: Array<() => void> = []
channel.port1.addEventListener("message", () => tasks.shift()?.())
channel.port1.start()

const setImmediate = (task: () => void) => {
  tasks.push(task)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has none
  channel.port2.postMessage(undefined)
  return task
}

const clearImmediate = (task: () => void) => {
  const index = tasks.indexOf(task)
  // Its message still comes, and finds one task fewer.
  if (index !== -1) tasks.splice(index, 1, () => {})
}

Object.assign(globalThis, { setImmediate, clearImmediate })
