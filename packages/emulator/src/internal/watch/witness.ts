/**
 * The witness of one session: makes of its statements the transactions of the log.
 */
import { Cost } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Watch from "../../Watch.ts"
import type { Client } from "../client/client.ts"
import * as Locks from "../concurrency/locks.ts"
import type { Outcome } from "../concurrency/outcome.ts"
import { snapshotOf } from "../concurrency/phase.ts"
import type { Call } from "../concurrency/transaction.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as Frame from "../protocol/frame.ts"
import * as Parameter from "../protocol/parameter.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Prepared } from "../statement/prepared.ts"
import * as Refusal from "../statement/refusal.ts"
import { now } from "./clock.ts"
import type { Log } from "./log.ts"
import type { Looker } from "./looker.ts"
import * as Rival from "./rival.ts"
import * as Trace from "./trace.ts"

/** Characters of a parameter that are kept. */
const longestParameter = 200

const parametersOf = ({ bound }: Call): ReadonlyArray<ClientMessage.Parameter> =>
  bound === undefined ? [] : ClientMessage.parameters(bound.rest)

/** A parameter as text; bytes where its type is unknown. */
const shown = (parameter: ClientMessage.Parameter, types: Buffer, number: number): string | null => {
  const { bytes, isBinary } = parameter
  if (bytes === null) return null
  const head = bytes.subarray(0, longestParameter * 4)
  const declared = Parameter.declared(types, number)
  const known = declared === undefined ? undefined : Parameter.textOf({ bytes: head, isBinary }, declared)
  return (known ?? (isBinary ? `\\x${head.toString("hex")}` : head.toString("utf8"))).slice(0, longestParameter)
}

/** Makes the witness of a session. */
export const make = (log: Log, client: Client): Looker => {
  let trace: Trace.Trace | undefined
  let joined = false
  let commits = 0
  let trips = 0
  /** Rows that its transaction had changed before a statement, and those of one that has committed. */
  let before = 0
  let settled: number | undefined

  const begin = (explicit: boolean): Trace.Trace => {
    joined = false
    commits = client.connection.commits
    trips = client.connection.roundTrips
    return log.begin(
      Trace.make({
        database: client.database.name,
        label: client.connection.label,
        connection: client.connection.id,
        explicit,
        began: now(),
        since: client.database.sequence
      })
    )
  }

  /** Notes what an error says, and what conflict it is. */
  const fail = (own: Trace.Trace, error: ServerMessage.ServerError) => {
    own.sqlstate = error.sqlstate
    own.message = Trace.cut(error.message)
    if (error.sqlstate !== "40001" || own.conflict !== undefined) return
    const code = error.message.includes("(OC001)") ? "OC001" : "OC000"
    const injected = own.fault?.includes("conflict") === true
    const rival = code === "OC001" && !injected ? log.lastDefinition(own.database) : undefined
    own.conflict = conflictOf(own, code, injected, {
      own: own.statements.findLast(({ tables }) => tables.length > 0)?.sql,
      rival,
      theirs: rival?.definition
    })
  }

  const end = (own: Trace.Trace, outcome: Watch.Outcome) => {
    own.outcome = outcome
    own.ended = now() - own.began
    own.roundTrips = client.connection.roundTrips - trips + 1
    trace = undefined
    log.end(own)
  }

  const outcomeOf = (own: Trace.Trace, isRolledBack: boolean): Watch.Outcome => {
    if (client.connection.commits > commits) return "committed"
    if (own.conflict !== undefined) return "conflict"
    if (own.sqlstate !== undefined) return "failed"
    return isRolledBack ? "rolled back" : "committed"
  }

  const look = (call: Call, own: Trace.Trace, began: number, sent: number, exit: Exit.Exit<Outcome, unknown>) => {
    const { prepared } = call
    if (exit._tag === "Failure") return end(own, client.connection.commits > commits ? "committed" : "cut")
    const { error: frame, frames } = exit.value
    const error = frame === undefined ? undefined : ServerMessage.readError(frame)
    const tag = frames.findLast((each) => each[0] === Frame.code.commandComplete)
    const rows = tag === undefined ? 0 : ServerMessage.rowsOf(ServerMessage.readTag(tag))
    let received = 0
    for (const each of frames) if (each[0] === Frame.code.dataRow) received += each.length
    const statement: Watch.Statement = {
      sql: Trace.cut(prepared.shown),
      at: began - own.began,
      millis: now() - began,
      rows,
      sent,
      received,
      tables: [...new Set(prepared.tables.map(({ name }) => name))],
      writes: [...new Set(prepared.writes.map(({ table }) => table))],
      ...(log.parameters &&
        call.bound !== undefined && {
          parameters: parametersOf(call).map((each, i) => shown(each, call.bound?.types ?? Buffer.alloc(0), i + 1))
        }),
      ...(error !== undefined && { sqlstate: error.sqlstate, message: Trace.cut(error.message) })
    }
    if (own.statements.length < Trace.statementsAtMost) own.statements.push(statement)
    else own.omitted++
    own.bytes += sent
    if (error === undefined) charge(own, call, statement, changedBy(prepared, rows))
    else fail(own, error)
    if (error !== undefined && prepared.plan._tag === "Refused")
      log.refuse(own.label, prepared.shown, prepared.plan.refusal)
    else if (error?.sqlstate.startsWith("0A") === true || error?.sqlstate.startsWith("54") === true) {
      log.refuse(own.label, prepared.shown, error)
    }
    if (client.transaction !== undefined) return log.changed(own)
    end(own, outcomeOf(own, tag !== undefined && ServerMessage.readTag(tag) === "ROLLBACK"))
  }

  /** Rows that a statement has changed: what its transaction counted, else what its tag says. */
  const changedBy = ({ plan }: Prepared, rows: number): number => {
    const total = client.transaction?.rows ?? settled
    if (total !== undefined) return total - before
    return plan._tag === "Plain" && plan.effects === "write" ? rows : 0
  }

  /** What a statement that went well has touched, and what it is charged for. */
  const charge = (
    own: Trace.Trace,
    call: Call,
    { millis, received, rows, sent, tables }: Watch.Statement,
    changed: number
  ) => {
    const { plan } = call.prepared
    if (plan._tag === "Ddl") own.definition = Trace.cut(call.prepared.shown)
    if (plan._tag !== "Plain" || tables.length === 0) return
    const row =
      rows > 0 && plan.effects !== "read"
        ? Locks.rowOf(call, Locks.fixedBy(call), client.database.references)
        : undefined
    if (row !== undefined) {
      const isWeak = plan.locked?.strength === "Key Share"
      own.touched.push({ target: row.target, key: row.key, sql: Trace.cut(call.prepared.shown), isWeak })
    }
    own.rows += changed
    const shape = Trace.cut(call.prepared.shape())
    const known = own.charges.get(shape) ?? { times: 0, rows: 0, millis: 0, read: 0, write: 0 }
    own.charges.set(shape, {
      times: known.times + 1,
      rows: known.rows + rows,
      millis: known.millis + millis,
      // Whoever writes a row looks for it, or whether its key is there.
      read: known.read + Cost.chargedBytes(Math.max(1, rows), received),
      write: known.write + (changed === 0 ? 0 : Cost.chargedBytes(changed + entriesOf(call.prepared, changed), sent))
    })
  }

  /** Entries of secondary indexes that come with so many rows: those that a statement says it writes. */
  const entriesOf = ({ writes }: Prepared, rows: number): number => {
    const { indexes } = client.database.references
    const [only, more] = writes
    const count = ({ columns, table, verb }: Prepared["writes"][number]) =>
      (indexes.get(table) ?? []).filter((index) => verb !== "update" || index.some((name) => columns.includes(name)))
        .length
    // How the rows of several tables divide, the tag does not say: one of each.
    if (only === undefined || more !== undefined) return writes.reduce((total, write) => total + count(write), 0)
    return rows * count(only)
  }

  return {
    isHidden: () => trace?.hidden === true,
    identified: (ids) => {
      if (trace !== undefined) trace.ids = ids
    },
    committed: (sequence, rows) => {
      settled = rows
      if (trace !== undefined) trace.sequence = sequence
    },
    lost: (encounter) =>
      Effect.gen(function* () {
        const own = trace
        if (own === undefined) return Refusal.dataConflict
        const since = encounter.transaction === undefined ? undefined : snapshotOf(encounter.transaction.phase)
        const met = yield* Rival.find(log, client, since ?? own.since, encounter)
        own.conflict = conflictOf(own, "OC000", false, met)
        return client.desk.explains ? { ...Refusal.dataConflict, detail: detailOf(own.conflict) } : Refusal.dataConflict
      }),
    begins: (call) => {
      const { plan } = call.prepared
      const own = (trace ??= begin(plan._tag === "Begin" || client.transaction?.span === "block"))
      if (plan._tag === "Plain" && plan.effects !== "read" && plan.effects !== "set") {
        own.hidden ||= Locks.rowOf(call, Locks.fixedBy(call), client.database.references) === undefined
      }
      if (!joined && plan._tag !== "Begin") {
        joined = true
        log.join(own, call.prepared.text, call.bound?.rest.toString("latin1", 0, 4_096) ?? "")
      }
      const sent = parametersOf(call).reduce((total, { bytes }) => total + (bytes?.length ?? 0), 0)
      const began = now()
      before = client.transaction?.rows ?? 0
      settled = undefined
      return (exit) => look(call, own, began, sent, exit)
    },
    answered: (error) => {
      if (trace === undefined) return
      const { transaction } = client
      if (transaction !== undefined) {
        const since = snapshotOf(transaction.phase)
        if (trace.snapshot !== undefined || since === undefined) return
        trace.since = since
        trace.snapshot = now() - trace.began
        return log.changed(trace)
      }
      if (error !== undefined) fail(trace, ServerMessage.readError(error))
      end(trace, outcomeOf(trace, false))
    },
    struck: (fault) => {
      if (trace !== undefined) trace.fault = fault
    },
    closed: () => {
      if (trace !== undefined) end(trace, client.connection.commits > commits ? "committed" : "cut")
    }
  }
}

const conflictOf = (
  own: Trace.Trace,
  code: Watch.Conflict["code"],
  injected: boolean,
  met: Rival.Met
): Watch.Conflict => ({
  code,
  injected,
  transaction: own.id,
  label: own.label,
  ...(met.own !== undefined && { statement: Trace.cut(met.own) }),
  ...(met.rival !== undefined && {
    rival: {
      transaction: met.rival.id,
      label: met.rival.label,
      ...(met.theirs !== undefined && { statement: Trace.cut(met.theirs) })
    }
  }),
  ...(met.table !== undefined && { table: met.table }),
  ...(met.key !== undefined && { key: met.key }),
  ...(met.more === true && { more: true }),
  at: now()
})

/** What DETAIL says of a conflict, in PostgreSQL's way of naming a key. */
const detailOf = ({ key, rival, table }: Watch.Conflict): string | undefined => {
  if (table === undefined) return undefined
  const columns =
    key === undefined ? "A row" : `Key (${Object.keys(key).join(", ")})=(${Object.values(key).join(", ")})`
  const who = rival === undefined ? "another transaction" : `transaction ${rival.transaction} of "${rival.label}"`
  return `${columns} of table "${table}" was committed first by ${who}.`
}

/** Lets a statement be looked at, where somebody watches. */
export const observed = <E>(
  client: Client,
  call: Call,
  statement: Effect.Effect<Outcome, E>
): Effect.Effect<Outcome, E> => {
  const { log } = client.desk
  if (log === undefined || call.prepared.plan._tag === "Control") return statement
  return Effect.suspend(() => {
    const looker = (client.witness ??= make(log, client))
    const ended = looker.begins(call)
    return Effect.onExit(statement, (exit) => Effect.sync(() => ended(exit)))
  })
}
