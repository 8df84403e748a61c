/**
 * Who is in which database, by the server's account: a session is there until the server has ended it, which is later than
 * its client's leaving. The server drops and copies a database in which nobody is, and looks again after a tenth of a
 * second where somebody was.
 */
import * as Effect from "effect/Effect"
import type { Backend } from "../postgres/backend.ts"

/** Milliseconds in which a session that has nothing to do is gone. */
const farewell = 500

export interface Presence {
  /** Notes a session that is opened in a database. */
  readonly noted: <E, R>(database: string, connect: Effect.Effect<Backend, E, R>) => Effect.Effect<Backend, E, R>
  /** Waits for those who are leaving a database: all but who stays. Not for long, since one may be busy. */
  readonly left: (database: string, staying: ReadonlySet<Backend>) => Effect.Effect<void>
}

export const make = (): Presence => {
  const inside = new Map<string, Set<Backend>>()

  const enter = (database: string, backend: Backend): void => {
    const there = inside.get(database) ?? new Set()
    inside.set(database, there.add(backend))
    backend.whenGone(() => {
      there.delete(backend)
      if (there.size === 0) inside.delete(database)
    })
  }

  return {
    noted: (database, connect) => Effect.tap(connect, (backend) => Effect.sync(() => enter(database, backend))),
    left: (database, staying) =>
      Effect.callback((resume) => {
        const leaving = new Set([...(inside.get(database) ?? [])].filter((backend) => !staying.has(backend)))
        if (leaving.size === 0) return resume(Effect.void)
        const late = setTimeout(() => resume(Effect.void), farewell)
        for (const backend of leaving) {
          backend.whenGone(() => {
            leaving.delete(backend)
            if (leaving.size > 0) return
            clearTimeout(late)
            resume(Effect.void)
          })
        }
        return Effect.sync(() => clearTimeout(late))
      })
  }
}
