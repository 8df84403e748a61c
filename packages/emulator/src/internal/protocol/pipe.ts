/**
 * Two ends of a connection inside one process: what one writes the other reads,
 * and when one is destroyed so is the other.
 */
import { Duplex } from "node:stream"

class End extends Duplex {
  other: End | undefined
  #waiting: (() => void) | undefined

  constructor() {
    super({ allowHalfOpen: false })
  }

  override _read(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    // Later, as bytes arrive on a socket: whoever answers from within its data event is not answered from within it.
    setImmediate(() => {
      const { other } = this
      if (other === undefined || other.destroyed || other.readableEnded || other.push(chunk)) done()
      else other.#waiting = done
    })
  }

  override _final(done: () => void): void {
    if (this.other?.destroyed === false) this.other.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const { other } = this
    this.other = undefined
    setImmediate(() => {
      if (other === undefined) return
      other.#waiting?.()
      other.destroy()
    })
    done(error)
  }
}

/** Makes both ends. */
export const make = (): readonly [Duplex, Duplex] => {
  const near = new End()
  const far = new End()
  near.other = far
  far.other = near
  return [near, far]
}
