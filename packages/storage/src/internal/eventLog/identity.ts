/**
 * Who a server of the event log is, and which signing key speaks for a public key: made once by whoever comes first.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import { makeRemoteIdUnsafe, RemoteId } from "effect/eventlog/EventJournal"
import * as Schema from "effect/Schema"
import type { Failure, Statements } from "../statement/statement.ts"

/** The id of the server, the same for all that share the table. */
export const remoteId = (statements: Statements, table: string): Effect.Effect<RemoteId, Failure> =>
  Effect.flatMap(
    once(statements, "EventLogServer.remoteId", {
      table,
      key: { singleton: Expression.literal("1::smallint") },
      column: "remote_id",
      value: Effect.sync(makeRemoteIdUnsafe)
    }),
    (found) => Schema.decodeUnknownEffect(RemoteId)(found)
  )

/** The signing key of a public key: the one that it came with first. */
export const binding = (
  statements: Statements,
  table: string,
  publicKey: string,
  signingPublicKey: Uint8Array<ArrayBuffer>
): Effect.Effect<Uint8Array<ArrayBuffer>, Failure> =>
  Effect.map(
    once(statements, "EventLogServer.sessionAuthBinding", {
      table,
      key: { public_key: Expression.value("text", publicKey) },
      column: "signing_public_key",
      value: Effect.succeed(signingPublicKey)
    }),
    (bytes) => Uint8Array.from(bytes)
  )

/** What a row holds, or holds from now on: one round trip. */
const once = Effect.fnUntraced(function* (
  { write }: Statements,
  operation: string,
  {
    column,
    key,
    table,
    value
  }: {
    readonly table: string
    readonly key: Readonly<Record<string, Expression.Expression>>
    readonly column: string
    readonly value: Effect.Effect<Uint8Array>
  }
) {
  const made = yield* value
  // Two that find no row both insert one, and the later of them conflicts.
  const found = Guard.make({
    name: "row",
    row: Guard.row(table, key, [column], undefined),
    columns: [column],
    holds: () => Expression.literal("TRUE"),
    refuse: () => Effect.die(new Error("nothing is asked of the row"))
  })
  const row = Write.insert({
    into: table,
    columns: { ...key, [column]: Expression.value("bytea", made) },
    onConflict: Write.replacing(Object.keys(key), [])
  })
  const told = yield* write(operation, {
    guards: [found],
    writes: [row],
    tells: { found: Guard.column(found, column, "bytea") }
  })
  return yield* Schema.decodeUnknownEffect(Schema.Uint8Array)(told["found"] ?? made)
})
