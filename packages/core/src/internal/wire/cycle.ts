/**
 * One statement on the wire: the messages that ask for it, without a Sync, and its answer as it comes.
 */
import type { Result, Row } from "@effect/sql-pg/PgConnection"
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Exit from "effect/Exit"
import { getOrThrow } from "effect/Result"
import type { SqlError } from "effect/sql/SqlError"
import type { Columns } from "./columns.ts"
import { parameterOf } from "./parameter.ts"
import { unwritable } from "./failure.ts"
import type { PreparedStatement, PreparedStatements } from "./preparedStatements.ts"

/** What a statement was answered with: rows by the names of their columns, or by their places. */
export interface Answer {
  readonly result: Result
  readonly values: ReadonlyArray<ReadonlyArray<unknown>>
}

/** How the values of a session are written and read. */
export interface Codec {
  readonly registry: PgTypes.Registry | undefined
  readonly bind: ReturnType<typeof PgProtocol.makeBindEncoder<PgTypes.Parameter, PgTypes.CodecError>>
}

/** The codec of a registry of types. */
export const codecOf = (registry: PgTypes.Registry | undefined): Codec => ({
  registry,
  bind: PgProtocol.makeBindEncoder(
    registry === undefined
      ? PgTypes.writeParameter
      : (sink: PgProtocol.ValueSink, parameter: PgTypes.Parameter) => PgTypes.writeParameter(sink, parameter, registry),
    PgTypes.isTextFormat
  )
})

/** Whether rows are wanted by names or by places. */
export type Form = "rows" | "values"

/** Who is told of the end of a statement. */
export type Settle = (exit: Exit.Exit<Answer, SqlError>) => void

/** A portal with a name, which gives so many rows at a time, for as long as its transaction lasts. */
export interface Portal {
  readonly name: string
  readonly rows: number
}

/** The portal that gives all rows at once. */
const unnamed: Portal = { name: "", rows: 0 }

const nothing = new Uint8Array(0)
const describe = (portal: Portal) => PgProtocol.encodeDescribe({ target: "portal", name: portal.name })
const execute = (portal: Portal) => PgProtocol.encodeExecute({ portal: portal.name, maxRows: portal.rows })
const unnamedDescribe = describe(unnamed)
const unnamedExecute = execute(unnamed)

export class Cycle {
  /** The statement whose name it uses; undefined for one that has none. */
  readonly prepared: PreparedStatement | undefined
  /** Whether it has the server parse its text. Known once it is written. */
  parses = false
  /** What it failed with. */
  failure: SqlError | undefined
  isComplete = false
  /** Whether its portal has given a part of its rows, and has more. */
  isSuspended = false
  private readonly form: Form
  private readonly portal: Portal
  private readonly parse: Uint8Array | undefined
  private readonly bound: Uint8Array = nothing
  private settle: Settle | undefined
  private columns: Columns | undefined
  private rows: Array<Row> = []
  private values: Array<ReadonlyArray<unknown>> = []
  private tag = ""

  /** Values that cannot be written are a failure of the statement, which is not sent then. */
  constructor(
    sql: string,
    params: ReadonlyArray<unknown>,
    form: Form,
    codec: Codec,
    statements: PreparedStatements | undefined,
    settle: Settle,
    portal = unnamed
  ) {
    this.form = form
    this.portal = portal
    this.settle = settle
    try {
      const parameters = params.map((value) => parameterOf(value, codec.registry))
      const parameterTypes = parameters.map(({ oid }) => oid)
      const prepared = statements?.get(sql, parameterTypes)
      const name = prepared?.name ?? ""
      this.bound = prepared?.bound ?? getOrThrow(codec.bind({ portal: portal.name, statement: name, parameters }))
      if (prepared !== undefined && parameters.length === 0) prepared.bound = this.bound
      if (prepared?.isSent !== true) {
        this.parse = getOrThrow(PgProtocol.encodeParse({ name, query: sql, parameterTypes }))
      }
      if (prepared !== undefined) prepared.uses++
      this.prepared = prepared
    } catch (cause) {
      this.failure = unwritable(cause)
    }
  }

  /** What is written for it. One that was to be prepared by another, in vain, is prepared by this one. */
  frames(): ReadonlyArray<Uint8Array> {
    const { bound, parse, portal, prepared } = this
    const [describing, executing] =
      portal === unnamed ? [unnamedDescribe, unnamedExecute] : [describe(portal), execute(portal)]
    if (this.isSuspended) return [executing]
    if (prepared !== undefined) prepared.uses--
    if (parse === undefined || prepared?.isSent === true) return [bound, executing]
    this.parses = true
    if (prepared !== undefined) prepared.isSent = true
    return [parse, bound, describing, executing]
  }

  /** It is not written, for this reason or for its own. */
  withhold(reason: SqlError): void {
    if (this.prepared !== undefined) this.prepared.uses--
    this.failure ??= reason
    this.end()
  }

  /** How its rows are read, as far as that is known when its turn comes. */
  begin(): PgProtocol.FieldReader<unknown> | undefined {
    if (!this.isSuspended) this.columns = this.parses ? undefined : this.prepared?.columns
    return this.columns?.read
  }

  described(columns: Columns | undefined): void {
    this.columns = columns
    if (this.prepared === undefined) return
    this.prepared.columns = columns
    this.prepared.isReady = true
  }

  /** Takes a row in; false where none was to come. */
  row(values: ReadonlyArray<unknown>): boolean {
    if (this.columns?.fields.length !== values.length) return false
    if (this.form === "rows") this.rows.push(this.columns.row(values))
    else this.values.push(values)
    return true
  }

  complete(tag: string): void {
    this.tag = tag
    this.isComplete = true
    this.isSuspended = false
  }

  /** Its portal has given as many rows as were asked for. */
  suspend(): void {
    this.isSuspended = true
  }

  /** Is to be sent again, for the rows behind those that it was answered with. */
  resume(settle: Settle): void {
    this.settle = settle
    this.rows = []
    this.values = []
  }

  /** Nobody waits for it any more. */
  readonly abandon = (): void => {
    this.settle = undefined
  }

  get isAbandoned(): boolean {
    return this.settle === undefined
  }

  /** Tells who waits for it what became of it. */
  end(): void {
    const { settle } = this
    this.settle = undefined
    settle?.(this.failure === undefined ? Exit.succeed(this.answer()) : Exit.fail(this.failure))
  }

  private answer(): Answer {
    const { columns, rows, tag, values } = this
    const last = tag.slice(tag.lastIndexOf(" ") + 1)
    const first = tag.indexOf(" ")
    const command = first === -1 ? tag : tag.slice(0, first)
    return {
      result: {
        command,
        rowCount: Number.isNaN(Number(last)) ? 0 : Number(last),
        // Only INSERT says the OID of a row, which has been zero since rows have none.
        oid: command === "INSERT" ? Number(tag.slice(first + 1, tag.lastIndexOf(" "))) : null,
        rows,
        fields: columns?.fields ?? []
      },
      values
    }
  }
}
