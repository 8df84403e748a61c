/**
 * The superuser's sessions in a server's own database, which work for one emulator after another. Tests have one each, and
 * to open a session takes as long as many statements: what an emulator leaves behind, the next one of its process takes.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Postgres from "../../Postgres.ts"
import * as Backend from "./backend.ts"

/** Milliseconds for which a session waits to be taken. */
const patience = 1_000

/** Sessions of a kind that wait at most. */
const most = 4

type Parameters = ReadonlyArray<readonly [string, string]>

interface Session extends Backend.Opened {
  /** Where it is, and how it was opened. */
  readonly kind: string
  /** Ends it, unless it is taken before. */
  givingUp: NodeJS.Timeout | undefined
}

/** Those that wait. */
const waiting = new Set<Session>()

/** All that `Backend.open` goes by. */
const kindOf = ({ host, password, port, socket }: Postgres.Postgres, parameters: Parameters): string =>
  JSON.stringify([socket ?? [host, port], Redacted.value(password), parameters])

const stopWaiting = (session: Session): void => {
  waiting.delete(session)
  clearTimeout(session.givingUp)
  session.givingUp = undefined
}

const ofKind = (kind: string): ReadonlyArray<Session> => [...waiting].filter((each) => each.kind === kind)

const leave = (session: Session): void => {
  // Whoever came next would get the answer that is on its way.
  if (session.backend.isBusy() || ofKind(session.kind).length === most) return session.end()
  waiting.add(session)
  session.hold(false)
  const giveUp = setTimeout(() => {
    // Where a test has put its own clock in place of Node's, it may have stopped another timer.
    if (session.givingUp !== giveUp) return
    stopWaiting(session)
    session.end()
  }, patience).unref()
  session.givingUp = giveUp
}

/** A session as one emulator has it: nobody asks it anything once it is left. */
const lent = (session: Session): { readonly backend: Backend.Backend; readonly giveBack: () => void } => {
  const { exchange, pipeline, post, query } = session.backend
  let isLeft = false
  const unlessLeft = <A>(asked: Effect.Effect<A, Backend.BackendLost>) =>
    Effect.suspend(() => (isLeft ? new Backend.BackendLost({ error: Backend.gone }) : asked))
  return {
    backend: {
      ...session.backend,
      exchange: (...request) => unlessLeft(exchange(...request)),
      pipeline: (...request) => unlessLeft(pipeline(...request)),
      post: (batch, over) => (isLeft ? over() : post(batch, over)),
      query: (sql) => unlessLeft(query(sql))
    },
    giveBack: () => {
      isLeft = true
      leave(session)
    }
  }
}

/** Takes a session that was left, or opens one; it is left when the scope closes. */
export const connect = (
  server: Postgres.Postgres,
  parameters: Parameters
): Effect.Effect<Backend.Backend, Backend.BackendLost, Scope.Scope> => {
  const kind = kindOf(server, parameters)
  const opened = Effect.map(Backend.open(server, parameters), (opened) => {
    const session: Session = { ...opened, kind, givingUp: undefined }
    opened.backend.whenGone(() => stopWaiting(session))
    return session
  })
  const taken: Effect.Effect<Session, Backend.BackendLost> = Effect.suspend(() => {
    const [session] = ofKind(kind)
    if (session === undefined) return opened
    stopWaiting(session)
    session.hold(true)
    // Its server may have ended it just now.
    return Effect.matchEffect(session.backend.query("SELECT"), {
      onFailure: () => {
        session.end()
        return taken
      },
      onSuccess: () => Effect.succeed(session)
    })
  })
  return Effect.map(
    Effect.acquireRelease(Effect.map(taken, lent), ({ giveBack }) => Effect.sync(giveBack)),
    ({ backend }) => backend
  )
}
