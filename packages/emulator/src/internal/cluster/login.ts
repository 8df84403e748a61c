/**
 * Sessions of clients. Each is its user's from the start: one that a superuser had opened for it could become that
 * superuser again. No client knows the password, which the roles of a server have for all emulators over it.
 */
import { Quote } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { createHmac } from "node:crypto"
import type * as Postgres from "../../Postgres.ts"
import * as Backend from "../postgres/backend.ts"
import * as Refusal from "../statement/refusal.ts"

/** Opens a session of the user that the parameters name; it closes with the scope. */
export type Login = (
  parameters: ReadonlyMap<string, string>
) => Effect.Effect<Backend.Backend, Backend.BackendLost, Scope.Scope>

/** Makes logins; `query` asks the server as its superuser. */
export const make = (server: Postgres.Postgres, query: Backend.Backend["query"]): Login => {
  const passwordOf = (role: string) =>
    Redacted.make(createHmac("sha256", Redacted.value(server.password)).update(role).digest("base64url"))
  /** Gives a role its password, unless it is none that clients may be. */
  const equip = Effect.fnUntraced(function* (role: string): Effect.fn.Return<void, Backend.BackendLost> {
    const [found] = yield* query(
      `SELECT 1 FROM pg_roles WHERE rolname = ${Quote.literal(role)} AND rolcanlogin AND NOT rolsuper`
    )
    if (found === undefined) return yield* new Backend.BackendLost({ error: denied })
    const password = Quote.literal(Redacted.value(passwordOf(role)))
    // Another emulator may be giving it the same one.
    yield* Effect.ignore(query(`ALTER ROLE ${Quote.identifier(role)} PASSWORD ${password}`))
  })
  return (parameters) => {
    const role = parameters.get("user") ?? ""
    const connect = Backend.connect({ ...server, password: passwordOf(role) }, parameters)
    return Effect.catchIf(
      connect,
      ({ error }) => error.sqlstate.startsWith("28"),
      () => Effect.andThen(equip(role), connect)
    )
  }
}

const denied = { ...Refusal.accessDenied, severity: "FATAL" }
