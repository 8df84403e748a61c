import { readFileSync } from "node:fs"
import { Dialect, Recording, type Rule, Statement } from "@effect-dsql/dialect"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Result } from "effect"

const recorded = Recording.parse(readFileSync(new URL("../recordings/probes.jsonl", import.meta.url), "utf8"))

/** Steps that the cluster refused for a reason that the text of the statement does not show. */
const beyondTheText: Readonly<Record<string, string>> = {
  row_cap: "counts rows",
  row_cap_discards_rows: "counts rows",
  row_cap_implicit: "counts rows",
  foreign_key_violation: "reads rows",
  enum_domain_violation: "reads rows",
  enum_check_violation: "reads rows",
  enum_column_undefined: "reads the catalogue: the type does not exist",
  enum_cast_undefined: "reads the catalogue: the type does not exist",
  alter_drop_pk_column: "reads the catalogue: the column is in the primary key",
  alter_unique_using_index: "reads the catalogue: the index is not built yet",
  sys_wait_for_job: "PostgreSQL's own answer: a procedure is called with CALL",
  sys_call_wait_for_job: "PostgreSQL's own answer: no subquery in CALL",
  sys_call_wait_for_job_literal: "the procedure's own answer",
  q_lateral_left_outer_ref: "a suspected defect of the service, not a rule",
  q_lateral_left_no_outer_where: "a suspected defect of the service, not a rule",
  q_lateral_left_outer_ref_cast: "a suspected defect of the service, not a rule",
  occ_write_write: "a conflict at COMMIT",
  occ_for_update_vs_write: "a conflict at COMMIT",
  occ_for_key_share_vs_delete: "a conflict at COMMIT",
  occ_fk_delete_insert: "a conflict at COMMIT",
  occ_fk_cascade_vs_child_write: "a conflict at COMMIT",
  occ_fk_set_null_vs_child_write: "a conflict at COMMIT",
  occ_fk_set_default_vs_child_write: "a conflict at COMMIT",
  occ_multirow_predicate: "a conflict at COMMIT"
}

type Answer = { readonly sqlstate: string; readonly message: string } | "accepted"

interface Session {
  readonly open: boolean
  readonly failed: boolean
  readonly mix: Dialect.Mix
}

const closed: Session = { open: false, failed: false, mix: "empty" }

const isKind = (statement: Statement.Statement, ...kinds: ReadonlyArray<string>) =>
  "TransactionStmt" in statement.node && kinds.includes(statement.node.TransactionStmt.kind ?? "")

const answer = (refusal: Rule.Refusal): Answer => ({ sqlstate: refusal.sqlstate, message: refusal.message })

/** What one statement gets, by the rules for it alone and by what its transaction did before. */
const next = (session: Session, statement: Statement.Statement): readonly [Session, Answer] => {
  if (isKind(statement, "TRANS_STMT_COMMIT", "TRANS_STMT_ROLLBACK")) return [closed, "accepted"]
  if (session.failed) return [session, answer(Dialect.answers.aborted)]
  const { mix, refusal: mixed } = Dialect.mix(session.mix, statement)
  const refusal = Option.orElse(Dialect.refusal(statement, { at: "2026-09-18" }), () => mixed)
  if (Option.isSome(refusal)) return [{ ...session, failed: session.open }, answer(refusal.value)]
  if (isKind(statement, "TRANS_STMT_BEGIN")) return [{ ...session, open: true }, "accepted"]
  return [{ ...session, mix }, "accepted"]
}

/** One message: several statements in it share a transaction, a single one outside of BEGIN has its own. */
const message = Effect.fnUntraced(function* (session: Session, sql: string) {
  const parsed = yield* Effect.result(Statement.parse(sql))
  if (Result.isFailure(parsed)) return [session, parsed.failure] as const
  let state = session
  for (const statement of parsed.success) {
    const [after, answer] = next(state, statement)
    state = after
    if (answer !== "accepted") return [state.open ? state : closed, answer] as const
  }
  return [state.open ? state : closed, "accepted"] as const
})

describe("a cluster's recorded answers", () => {
  it.effect("are the dialect's, but for those that the text does not decide", () =>
    Effect.gen(function* () {
      const deviating = new Set<string>()
      const count = { refused: 0, accepted: 0, beyond: 0 }
      for (const probe of yield* recorded) {
        if (probe.group === "setup") continue
        for (const steps of probe.sessions) {
          let session = closed
          for (const step of steps) {
            const [after, ours] = yield* message(session, step.sql)
            const recorded = step.ok === null ? { sqlstate: step.sqlstate, message: step.message } : "accepted"
            const given = ours === "accepted" ? ours : { sqlstate: ours.sqlstate, message: ours.message }
            if (JSON.stringify(given) === JSON.stringify(recorded)) {
              count[given === "accepted" ? "accepted" : "refused"]++
              session = after
              continue
            }
            assert.strictEqual(given, "accepted", `${probe.id}: ${step.sql}`)
            assert.property(beyondTheText, probe.id, `${step.sql}\n${JSON.stringify(recorded)}`)
            deviating.add(probe.id)
            count.beyond++
            session = { ...after, failed: after.open }
          }
        }
      }
      process.stdout.write(`agreement with the recorded answers: ${JSON.stringify(count)}\n`)
      assert.deepStrictEqual([...deviating].toSorted(), Object.keys(beyondTheText).toSorted())
      assert.strictEqual(count.refused + count.accepted + count.beyond, 351)
    })
  )
})
