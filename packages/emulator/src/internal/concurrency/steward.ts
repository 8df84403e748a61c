/**
 * Nobody waits on Aurora DSQL. On PostgreSQL a statement does, for the row lock
 * of another transaction: the steward sees it and parks that other transaction.
 *
 * Two that wait for each other are a cycle; one of them is told to yield.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Backend, BackendLost } from "../postgres/backend.ts"
import * as Parking from "./parking.ts"
import type { Member } from "./state.ts"

/** Watches requests that are under way. */
export interface Steward {
  /** Call before a request; the answer is to be called after it. */
  readonly watch: (member: Member) => () => void
  /** How many requests are under way. */
  readonly requests: () => number
}

interface Watched {
  readonly member: Member
  readonly since: number
  next: number
}

/** Milliseconds after which a request is suspected of waiting for a lock. */
const patience = 3

const pids = (text: string | null | undefined): ReadonlyArray<number> =>
  text === null || text === undefined || text === "{}" ? [] : text.slice(1, -1).split(",").map(Number)

/** Starts a steward that works until the scope closes. */
export const make = ({ query }: Backend): Effect.Effect<Steward, never, Scope.Scope> =>
  Effect.gen(function* () {
    const watched = new Map<number, Watched>()
    const wake = yield* Queue.sliding<void>(1)

    const victimOf = (start: number, blocked: ReadonlyMap<number, ReadonlyArray<number>>): Member | undefined => {
      const path: Array<number> = []
      for (let pid: number | undefined = start; pid !== undefined;) {
        const seen = path.indexOf(pid)
        if (seen !== -1) {
          const cycle = path.slice(seen).flatMap((each) => watched.get(each)?.member ?? [])
          return cycle.toSorted((a, b) => (b.transaction?.since ?? 0) - (a.transaction?.since ?? 0))[0]
        }
        path.push(pid)
        pid = blocked.get(pid)?.find((other) => blocked.has(other))
      }
      return undefined
    }

    /** Whether anybody in its database can have what it waits for. */
    const hasRival = (member: Member) =>
      [...member.database.members].some(
        (other) => other !== member && (other.transaction !== undefined || watched.has(other.backend.pid))
      )

    /** Who of them waits, and for whom. */
    const blockedOf = (sessions: Iterable<number>) =>
      Effect.map(
        query(`SELECT pid, pg_blocking_pids(pid) FROM unnest('{${[...sessions].join(",")}}'::int[]) pid`),
        (rows) => new Map(rows.map(([pid, by]) => [Number(pid), pids(by)] as const).filter(([, by]) => by.length > 0))
      )

    const round = Effect.gen(function* () {
      const now = performance.now()
      const due = [...watched].filter(([, { next }]) => next <= now)
      for (const [, each] of due) each.next = now + Math.min(100, Math.max(patience, (now - each.since) / 2))
      if (!due.some(([, { member }]) => hasRival(member))) return
      // Most of them only work for longer; a cycle may go through those that are not due.
      if ((yield* blockedOf(due.map(([pid]) => pid))).size === 0) return
      const blocked = yield* blockedOf(watched.keys())
      const victims = new Set<number>()
      for (const [pid, by] of blocked) {
        const waiting = watched.get(pid)
        if (waiting === undefined) continue
        for (const member of waiting.member.database.members) {
          // A session that has ended is in nobody's way.
          if (by.includes(member.backend.pid)) yield* Effect.ignore(Parking.park(member))
        }
        const victim = victimOf(pid, blocked)
        if (victim === undefined) continue
        victim.told = performance.now()
        victims.add(victim.backend.pid)
      }
      if (victims.size > 0) yield* query(`SELECT ${[...victims].map((pid) => `pg_cancel_backend(${pid})`).join(", ")}`)
    })

    yield* Effect.gen(function* () {
      while (true) {
        if (watched.size === 0) yield* Queue.take(wake)
        yield* Effect.sleep(patience)
        yield* round
      }
    }).pipe(
      Effect.catch((lost: BackendLost) => Effect.logError("the emulator lost its server", lost.error.message)),
      Effect.forkScoped
    )

    return {
      watch: (member) => {
        const { pid } = member.backend
        const since = performance.now()
        watched.set(pid, { member, since, next: since + patience })
        if (watched.size === 1) Queue.offerUnsafe(wake, undefined)
        return () => {
          watched.delete(pid)
        }
      },
      requests: () => watched.size
    }
  })
