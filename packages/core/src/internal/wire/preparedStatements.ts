/**
 * The statements that a session keeps prepared, by their text and the types of their parameters; those that were not
 * used for longest go first. What the server is to forget is said with whatever is sent next.
 */
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import { randomBytes } from "node:crypto"
import type { Columns } from "./columns.ts"

export interface PreparedStatement {
  readonly name: string
  readonly sql: string
  readonly types: ReadonlyArray<number>
  /** When it was asked for last, by how often any was. */
  asked: number
  /** How many are about to ask for it, and were not written yet. */
  uses: number
  /** Whether its Parse was written. */
  isSent: boolean
  /** Whether the server has described it; it has no columns where it gives no rows. */
  isReady: boolean
  columns: Columns | undefined
  /** What executes it where it has no parameters, which is the same each time. */
  bound: Uint8Array | undefined
}

/** How many the driver keeps. */
const most = 100

export class PreparedStatements {
  /** One text has several where its parameters have had several types. */
  private readonly byText = new Map<string, Array<PreparedStatement>>()
  private readonly namespace = randomBytes(8).toString("hex")
  private closes: Array<Uint8Array> = []
  private count = 0
  private asked = 0
  private size = 0

  get(sql: string, types: ReadonlyArray<number>): PreparedStatement {
    const known = this.byText.get(sql)
    const found = known?.find((statement) => isSame(statement.types, types))
    if (found !== undefined) {
      found.asked = ++this.asked
      return found
    }
    const name = `dsql_${this.namespace}_${++this.count}`
    const made: PreparedStatement = {
      name,
      sql,
      types,
      asked: ++this.asked,
      uses: 0,
      isSent: false,
      isReady: false,
      columns: undefined,
      bound: undefined
    }
    if (known === undefined) this.byText.set(sql, [made])
    else known.push(made)
    this.size++
    this.evict(made)
    return made
  }

  /** Leaves a name alone that the server does not have, or not as it was. */
  drop(statement: PreparedStatement): void {
    if (this.remove(statement)) this.close(statement.name)
  }

  /** The server has none of them any more. */
  forget(): void {
    this.byText.clear()
    this.size = 0
    this.closes = []
  }

  /** Whether it was dropped, and what still asks for it asks in vain. */
  hasLeft(statement: PreparedStatement | undefined): boolean {
    return statement !== undefined && !statement.isReady && !this.byText.get(statement.sql)?.includes(statement)
  }

  /** What the server is told to forget. */
  takeCloses(): ReadonlyArray<Uint8Array> {
    const { closes } = this
    if (closes.length > 0) this.closes = []
    return closes
  }

  /** Those stay that are under way or about to be. One that nobody sent in the end, the server has not heard of. */
  private evict(made: PreparedStatement): void {
    if (this.size <= most) return
    // Those first that were not asked for the longest.
    for (const statement of [...this.byText.values()].flat().toSorted((one, other) => one.asked - other.asked)) {
      if (this.size <= most) return
      if (statement === made || statement.uses > 0 || statement.isSent !== statement.isReady) continue
      this.remove(statement)
      if (statement.isSent) this.close(statement.name)
    }
  }

  /** False where it is not there any more. */
  private remove(statement: PreparedStatement): boolean {
    const known = this.byText.get(statement.sql) ?? []
    const at = known.indexOf(statement)
    if (at === -1) return false
    known.splice(at, 1)
    this.size--
    if (known.length === 0) this.byText.delete(statement.sql)
    return true
  }

  /** A name that the server does not know is closed without an error. */
  private close(name: string): void {
    this.closes.push(PgProtocol.encodeClose({ target: "statement", name }))
  }
}

const isSame = (types: ReadonlyArray<number>, others: ReadonlyArray<number>): boolean =>
  types.length === others.length && types.every((type, at) => type === others[at])
