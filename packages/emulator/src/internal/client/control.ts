/**
 * `CALL emulator.control`: a request to the emulator itself, by SQL.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Control from "../../Control.ts"
import * as Outcome from "../concurrency/outcome.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Client } from "./client.ts"

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(Control.Request))

/** Does what a request asks for, and answers with one row of JSON. */
export const control = (client: Client, text: string): Effect.Effect<Outcome.Outcome> =>
  decodeRequest(text).pipe(
    Effect.tap(({ createDatabase, dropDatabase }) =>
      Effect.gen(function* () {
        if (createDatabase !== undefined) {
          yield* client.databases.createDatabase(createDatabase.name, createDatabase.template)
        }
        if (dropDatabase !== undefined) yield* client.databases.dropDatabase(dropDatabase)
      })
    ),
    Effect.flatMap((request) => client.desk.request(client.connection, request)),
    Effect.map((answer) =>
      Outcome.success([
        ServerMessage.rowDescription(["answer"]),
        ServerMessage.dataRow([JSON.stringify(answer)]),
        ServerMessage.commandComplete("CALL")
      ])
    ),
    Effect.catchTags({
      BackendLost: ({ error }) => Effect.succeed(Outcome.failure(error)),
      SchemaError: ({ message }) =>
        Effect.succeed(Outcome.failure({ sqlstate: "22023", message: `not a request to the emulator: ${message}` }))
    })
  )
