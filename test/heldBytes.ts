/**
 * Bytes that somebody still holds, in the heap and in buffers: what nobody does is collected first.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
/** The collector, which a context has as a global that is made after the flag. */
const collect: () => void = runInNewContext("gc")

export const heldBytes = (): number => {
  collect()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
