/**
 * Single statements that only read. The service has no way to say so of one statement, so a text is sent in a READ ONLY
 * transaction the first time, where the server refuses to write, and by itself from then on.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Statement } from "effect/sql/Statement"
import { NeedsTransaction } from "./singleStatement.ts"

/** The texts that a server has run in a READ ONLY transaction, for each client. */
const known = new WeakMap<SqlClient, Set<string>>()

/** A program has as many texts that read as it has shapes of them; one that makes new ones for ever forgets them. */
const mostTexts = 1_000

const readsOf = (client: SqlClient): Set<string> => {
  const texts = known.get(client) ?? new Set<string>()
  known.set(client, texts)
  return texts
}

/** A statement may be sent by itself as one that reads once a server has run it where it could not write. */
export const provenToRead =
  (client: SqlClient) =>
  (statement: Statement<unknown>): Effect.Effect<void> =>
    Effect.suspend(() => {
      const [text] = statement.compile()
      return readsOf(client).has(text) ? Effect.void : Effect.die(new NeedsTransaction(text))
    })

/** A server has run this text in a READ ONLY transaction. */
export const proveToRead = (client: SqlClient, text: string): void => {
  const texts = readsOf(client)
  if (texts.size >= mostTexts) texts.clear()
  texts.add(text)
}
