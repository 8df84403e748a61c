/**
 * A session whose statements commit by themselves, lent for a stream: whoever borrows one for a statement alone gives it
 * back before the statement is sent again.
 */
import type { RetryPolicy } from "../../RetryPolicy.ts"
import * as Autocommitted from "../transaction/autocommitted.ts"
import { type Params, Session, type Transform } from "./session.ts"

export class AutocommitSession extends Session {
  private readonly policy: RetryPolicy

  constructor({ end, observer, wire }: Session, policy: RetryPolicy) {
    super(wire, end, observer)
    this.policy = policy
  }

  override executeStream(sql: string, params: Params, transform: Transform) {
    return Autocommitted.stream(super.executeStream(sql, params, transform), this.policy)
  }
}
