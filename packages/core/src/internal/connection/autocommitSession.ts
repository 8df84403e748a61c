/**
 * A session whose statements commit by themselves, lent for a stream: whoever borrows one for a statement alone gives it
 * back before the statement is sent again.
 */
import * as Autocommitted from "../transaction/autocommitted.ts"
import type { Retries } from "../transaction/retrying.ts"
import { type Params, Session, type Transform } from "./session.ts"

export class AutocommitSession extends Session {
  private readonly retries: Retries

  constructor({ end, observer, wire }: Session, retries: Retries) {
    super(wire, end, observer)
    this.retries = retries
  }

  override executeStream(sql: string, params: Params, transform: Transform) {
    return Autocommitted.stream(super.executeStream(sql, params, transform), this.retries)
  }
}
