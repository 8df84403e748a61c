/**
 * Statements of a text that stands in a larger one: their places are the larger one's.
 */
import type * as Source from "../../Source.ts"
import type { Body, Inside, Statement } from "./model.ts"
import { syntaxError } from "./model.ts"

/** The statement with its places, and those of what it runs, in the larger text. */
export const moved = (statement: Statement, inside: Inside): Statement => {
  const { at, source } = inside
  const own = statement.source
  return {
    ...statement,
    ...source.place(at(statement.offset)),
    source: {
      text: source.text,
      fromByte: (byte) => at(own.fromByte(byte)),
      fromCharacter: (character) => at(own.fromCharacter(character)),
      place: source.place
    },
    body: statement.body === undefined ? undefined : movedBody(statement.body, inside)
  }
}

const movedBody = (body: Body, inside: Inside): Body => {
  const move = (statement: Statement) => moved(statement, inside)
  const place = ({ offset }: Source.Place) => inside.source.place(inside.at(offset))
  return {
    language: body.language,
    statements: body.statements.map(move),
    always: body.always.map(move),
    parts: body.parts.map((part) => ({ kind: part.kind, place: place(part.place) })),
    unread: body.unread.map((error) => syntaxError(inside.source, error.sqlstate, error.message, place(error).offset))
  }
}
