/**
 * The statements that a session keeps prepared, by their text and the types of their parameters; those that were not
 * used for longest go first. What the server is to forget is said with whatever is sent next.
 */
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import { randomBytes } from "node:crypto"
import type { Columns } from "./columns.ts"

export interface PreparedStatement {
  readonly name: string
  readonly key: string
  /** How many are about to ask for it, and were not written yet. */
  uses: number
  /** Whether its Parse was written. */
  isSent: boolean
  /** Whether the server has described it; it has no columns where it gives no rows. */
  isReady: boolean
  columns: Columns | undefined
}

/** How many the driver keeps. */
const most = 100

export class PreparedStatements {
  private readonly byKey = new Map<string, PreparedStatement>()
  private readonly namespace = randomBytes(8).toString("hex")
  private closes: Array<Uint8Array> = []
  private count = 0

  get(sql: string, types: ReadonlyArray<number>): PreparedStatement {
    const key = types.length === 0 ? sql : `${sql}\u0000${types.join(",")}`
    const known = this.byKey.get(key)
    if (known !== undefined) {
      this.byKey.delete(key)
      this.byKey.set(key, known)
      return known
    }
    const name = `dsql_${this.namespace}_${++this.count}`
    const made: PreparedStatement = { name, key, uses: 0, isSent: false, isReady: false, columns: undefined }
    this.byKey.set(key, made)
    this.evict(made)
    return made
  }

  /** Leaves a name alone that the server does not have, or not as it was. */
  drop(statement: PreparedStatement): void {
    if (this.byKey.get(statement.key) !== statement) return
    this.byKey.delete(statement.key)
    this.close(statement.name)
  }

  /** The server has none of them any more. */
  forget(): void {
    this.byKey.clear()
    this.closes = []
  }

  /** Whether it was dropped, and what still asks for it asks in vain. */
  hasLeft(statement: PreparedStatement | undefined): boolean {
    return statement !== undefined && !statement.isReady && this.byKey.get(statement.key) !== statement
  }

  /** What the server is told to forget. */
  takeCloses(): ReadonlyArray<Uint8Array> {
    const { closes } = this
    if (closes.length > 0) this.closes = []
    return closes
  }

  /** Those stay that are under way or about to be. One that nobody sent in the end, the server has not heard of. */
  private evict(made: PreparedStatement): void {
    for (const statement of this.byKey.values()) {
      if (this.byKey.size <= most) return
      if (statement === made || statement.uses > 0 || statement.isSent !== statement.isReady) continue
      this.byKey.delete(statement.key)
      if (statement.isSent) this.close(statement.name)
    }
  }

  /** A name that the server does not know is closed without an error. */
  private close(name: string): void {
    this.closes.push(PgProtocol.encodeClose({ target: "statement", name }))
  }
}
