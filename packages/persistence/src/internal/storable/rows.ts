/**
 * What can be stored of a row, checked before anything is sent: its sizes, and its texts.
 */
import type { LimitExceeded } from "@effect-dsql/core/DsqlError"
import * as Size from "@effect-dsql/core/Size"
import * as Effect from "effect/Effect"
import { TextInvalid } from "../../PersistenceError.ts"
import { flaw } from "./text.ts"

/** Checks one row. */
export const check = (
  table: string,
  row: Size.Write["row"],
  key: ReadonlyArray<string>
): Effect.Effect<void, LimitExceeded | TextInvalid> => checkAll([{ table, row, key }])

/** Checks the rows that one transaction writes. */
export const checkAll = (
  writes: ReadonlyArray<Size.Write>,
  options?: Parameters<typeof Size.checkAll>[1]
): Effect.Effect<void, LimitExceeded | TextInvalid> => Effect.andThen(texts(writes), Size.checkAll(writes, options))

/** Checks a text that is kept inside something else. */
export const text = (where: string, value: string): Effect.Effect<void, TextInvalid> => {
  const reason = flaw(value)
  return reason === undefined ? Effect.void : Effect.fail(new TextInvalid({ where, reason }))
}

const texts = (writes: ReadonlyArray<Size.Write>): Effect.Effect<void, TextInvalid> =>
  Effect.gen(function* () {
    for (const { row, table } of writes) {
      for (const [column, value] of Object.entries(row)) {
        if (typeof value === "string") yield* text(`${table}.${column}`, value)
      }
    }
  })
