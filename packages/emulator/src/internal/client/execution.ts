/**
 * Carries out one statement of a client: by itself, inside a transaction, or
 * as the beginning or the end of one.
 */
import * as Effect from "effect/Effect"
import type { Fault } from "../../Faults.ts"
import { define as defineIn } from "../concurrency/define.ts"
import * as Outcome from "../concurrency/outcome.ts"
import { run as runIn } from "../concurrency/run.ts"
import * as Transaction from "../concurrency/transaction.ts"
import type { BackendLost } from "../postgres/backend.ts"
import * as Catalogue from "../database/catalogue.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Prepared } from "../statement/prepared.ts"
import * as Refusal from "../statement/refusal.ts"
import { qualified } from "../statement/tables.ts"
import { observed } from "../watch/witness.ts"
import { autocommit } from "./autocommit.ts"
import * as Block from "./block.ts"
import type { Client } from "./client.ts"
import { control } from "./control.ts"
import { due } from "./due.ts"
import { type Cut, strike } from "./injection.ts"
import { wait } from "./waiting.ts"

type Result = Effect.Effect<Outcome.Outcome, BackendLost | Cut>

/** A call and what makes it run, with the rows that it takes. */
const supplied = Effect.fnUntraced(function* (
  client: Client,
  call: Transaction.Call,
  execution: ReadonlyArray<Buffer>
): Effect.fn.Return<readonly [Transaction.Call, ReadonlyArray<Buffer>], BackendLost | Cut> {
  const {
    plan,
    tables: [table]
  } = call.prepared
  const taken = plan._tag === "Plain" ? plan.takes : undefined
  if (taken === undefined || table === undefined || Transaction.isFailed(client.transaction)) return [call, execution]
  const [row] = yield* client.backend.query(Catalogue.copiedColumns(qualified(table)))
  const columns = Number(row?.[0])
  // PostgreSQL says why it takes nothing.
  const rows =
    columns === 0
      ? [ClientMessage.copyFail("")]
      : yield* client.copyIn(taken.columns ?? columns, taken, call.bound !== undefined)
  const [statement, ...rest] = execution
  return [{ ...call, rows }, statement === undefined ? rows : [statement, ...rows, ...rest]]
})

/** Runs a statement that PostgreSQL takes as it stands. `alone`: nothing else shares its implicit transaction. */
export const run = (
  client: Client,
  call: Transaction.Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>,
  alone: boolean
): Result =>
  observed(
    client,
    call,
    Effect.suspend(() => {
      const { plan } = call.prepared
      const fault = due(client, "statement")
      const isUsual =
        fault === undefined && plan._tag === "Plain" && plan.lonely === undefined && plan.takes === undefined
      return isUsual
        ? carryOut(client, call, preamble, execution, alone)
        : unusual(client, call, preamble, execution, alone, fault)
    })
  )

const carryOut = (
  client: Client,
  call: Transaction.Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>,
  alone: boolean
): Result =>
  alone && client.transaction === undefined
    ? autocommit(client, call, preamble, execution)
    : runIn(client, Block.current(client), call, preamble, execution)

/** Runs a statement before which there is something else: a fault, its job or its rows to wait for. */
const unusual = Effect.fnUntraced(function* (
  client: Client,
  call: Transaction.Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>,
  alone: boolean,
  fault: Fault | undefined
): Effect.fn.Return<Outcome.Outcome, BackendLost | Cut> {
  const injected = yield* strike(fault)
  if (injected !== undefined) return Outcome.failure(injected)
  const { plan } = call.prepared
  if (plan._tag === "Plain" && plan.lonely !== undefined) {
    if (!alone || client.transaction !== undefined) {
      const isFailed = Transaction.isFailed(client.transaction)
      return Outcome.failure(isFailed ? Refusal.aborted : Refusal.inTransaction(plan.lonely))
    }
    if (plan.waits) return yield* wait(client, call, preamble, execution)
  }
  const [complete, all] = yield* supplied(client, call, execution)
  return yield* carryOut(client, complete, preamble, all, alone)
})

const define = Effect.fnUntraced(function* (client: Client, prepared: Prepared, alone: boolean) {
  const injected = yield* strike(due(client, "statement"))
  if (injected !== undefined) return Outcome.failure(injected)
  const own = alone && client.transaction === undefined
  const outcome = yield* defineIn(client, Block.current(client), prepared)
  if (!own) return outcome
  const error = yield* Block.settle(client, outcome.error !== undefined)
  return error === undefined ? outcome : { frames: [], error }
})

/** Runs a statement that the emulator answers itself. The frames begin with columns if there are rows. */
export const answer = (client: Client, prepared: Prepared, alone: boolean): Result =>
  observed(client, { prepared, bound: undefined }, answerOwn(client, prepared, alone))

const answerOwn = (client: Client, prepared: Prepared, alone: boolean): Result => {
  const { plan } = prepared
  const isFailed = Transaction.isFailed(client.transaction)
  switch (plan._tag) {
    case "Begin":
      return Effect.sync(() => Block.begin(client, plan.readOnly))
    case "Commit":
      return Block.end(client, "COMMIT")
    case "Rollback":
      return Block.end(client, "ROLLBACK")
    case "Control":
      return control(client, plan.request)
    case "Refused":
      return Effect.succeed(Outcome.failure(isFailed ? Refusal.aborted : plan.refusal))
    case "Constant":
      return Effect.succeed(
        isFailed
          ? Outcome.failure(Refusal.aborted)
          : Outcome.success([
              ServerMessage.rowDescription([plan.column]),
              ServerMessage.dataRow([plan.value]),
              ServerMessage.commandComplete(plan.tag)
            ])
      )
    case "Nothing":
      return Effect.succeed(
        isFailed ? Outcome.failure(Refusal.aborted) : Outcome.success([ServerMessage.commandComplete(plan.tag)])
      )
    case "Ddl":
      return define(client, prepared, alone)
    case "Plain":
      return Effect.succeed(Outcome.success([]))
  }
}

/** The columns of what the emulator answers itself, as far as they are known before. */
export const columns = (prepared: Prepared): ReadonlyArray<string> | undefined => {
  const { plan } = prepared
  if (plan._tag === "Constant") return [plan.column]
  if (plan._tag === "Control") return ["answer"]
  return plan._tag === "Ddl" && plan.async !== undefined ? ["job_id"] : undefined
}
