/**
 * Finds again what was kept for a sequence, by the identity of what it consists of: a key of text would be as long as all
 * of it, and be built and hashed each time.
 */

/** How far a sequence has been followed. */
export interface Place<A> {
  readonly next: Map<unknown, Place<A>>
  /** What came next when one was here last, and where that led: mostly the same comes again. */
  said: unknown
  led: Place<A> | undefined
  /** What is kept for a sequence that ends here. */
  kept: A | undefined
}

const place = <A>(): Place<A> => ({ next: new Map(), said: undefined, led: undefined, kept: undefined })

/** A program has as many places as its statements have parts; one that makes statements up for ever forgets them. */
const most = 200_000

export class Tree<A> {
  private root = place<A>()
  private size = 0

  /** Where all sequences begin. */
  begin(): Place<A> {
    if (this.size > most) {
      this.root = place()
      this.size = 0
    }
    return this.root
  }

  /** Where a sequence goes on from a place. */
  after(here: Place<A>, what: unknown): Place<A> {
    if (here.led !== undefined && here.said === what) return here.led
    let next = here.next.get(what)
    if (next === undefined) {
      next = place<A>()
      here.next.set(what, next)
      this.size++
    }
    here.said = what
    here.led = next
    return next
  }
}
