/**
 * Finds what a migrator refuses to decide by itself, and repairs what it is asked to.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Quote from "@effect-dsql/dialect/Quote"
import * as Effect from "effect/Effect"
import type { Engine } from "../../Engine.ts"
import type { MigrationError } from "../../MigrationError.ts"
import type { Options, Repair } from "../../Repair.ts"
import { latest, type SchemaSource } from "../../SchemaSource.ts"
import type { Target } from "../../SqlStatement.ts"
import * as Books from "../books/books.ts"
import * as Journal from "../books/journal.ts"
import { type Keyed, keyed, label } from "../books/key.ts"
import * as Lease from "../books/lease.ts"
import * as Catalogue from "../catalogue/catalogue.ts"
import * as Collisions from "../catalogue/collisions.ts"
import * as Job from "../catalogue/job.ts"
import { display } from "../sql/target.ts"
import * as Differences from "../structure/differences.ts"
import { reconnecting } from "../transaction/reconnecting.ts"
import * as Belonging from "./belonging.ts"
import * as Route from "./route.ts"
import { databaseOf, leased, type Run } from "./run.ts"
import * as Step from "./step.ts"

/** Looks for what needs repair, and repairs what it is asked to. */
export const run = (options: Options): Effect.Effect<Repair, MigrationError, DsqlClient> =>
  Effect.gen(function* () {
    const { accept = false, rebuild = false, release = false, source } = options
    const database = databaseOf(options)
    const before = yield* Books.read(database)
    yield* Belonging.read(source, before, database)
    const holder = Lease.holderOf(before.lease)
    if (release && holder !== undefined) yield* Lease.revoke(database, holder)
    const indexes = yield* invalid(source, before.engine)
    const changed = Route.changedStatements(source, before)
    const isAccepting = accept && changed.length > 0
    const isRebuilding = rebuild && indexes.length > 0
    // A lease for each: under one fence, a row of the journal that has ended does not begin again.
    if (isAccepting) {
      yield* leased(options, before, (run) =>
        Effect.andThen(
          run.identify(before.recorded?.version ?? latest(source).version),
          Effect.forEach(Route.changedStatements(source, run.books), (each) => take(each, run), { discard: true })
        )
      )
    }
    if (isRebuilding) {
      yield* leased(options, before, (run) =>
        Effect.forEach(indexes, (each) => build(source, each, run), { discard: true })
      )
    }
    return {
      schema: source.name,
      database,
      indexes: indexes.map(({ collisions, keyed: { statement }, target }) => ({
        index: display(target.name),
        table: display(target.table),
        location: statement.location,
        collisions,
        rebuilt: isRebuilding
      })),
      changes: changed.map((each) => ({
        version: each.version.version,
        ordinal: each.ordinal,
        location: each.now?.statement.location ?? null,
        summary: Route.summaryOf(each),
        accepted: isAccepting
      })),
      lease:
        holder === undefined
          ? null
          : { owner: holder.owner, expires: holder.expires, expired: holder.expired, released: release }
    }
  })

/** An index of the schema that is there, is not valid, and that nobody is building. */
interface Invalid {
  readonly keyed: Keyed
  readonly target: Extract<Target, { readonly _tag: "CreateIndex" }>
  readonly collisions: ReadonlyArray<string>
}

const invalid = Effect.fnUntraced(function* (
  source: SchemaSource,
  engine: Engine
): Effect.fn.Return<ReadonlyArray<Invalid>, TransactionError, DsqlClient> {
  const indexes = source.versions.flatMap((version) =>
    keyed(version).flatMap((keyed) => {
      const { target } = keyed.statement
      return target._tag === "CreateIndex" ? [{ keyed, target }] : []
    })
  )
  const { find } = yield* Transaction.autocommit(Catalogue.lookup(indexes.map(({ target }) => target.name)), {
    operation: "ReadCatalogue",
    readOnly: "proven"
  })
  const found = yield* Effect.forEach(indexes, (each) =>
    Effect.gen(function* () {
      const relation = find(each.target.name)
      if (relation?.valid !== false) return []
      if (engine === "dsql" && (yield* Job.building(each.target.name, relation)) !== undefined) return []
      return [{ ...each, collisions: yield* Collisions.of(each.target.name) }]
    })
  )
  return found.flat()
})

/** Writes down what the files say now. What it is open whether it ran, the catalogue decides by the new text. */
const take = Effect.fnUntraced(function* (
  { now, ordinal, row, version }: Route.ChangedStatement,
  { books, lease }: Run
) {
  const journal = Journal.make(lease, books.journal)
  if (now === undefined) return yield* journal.remove({ version: label(version), ordinal })
  if (row === undefined || !Journal.isOpen(row)) return yield* journal.adopt(now)
  yield* journal.begin(now, null)
  yield* journal.refuse(now.key, "the file was changed, and the change accepted")
})

/** Drops an invalid index and builds it again. The journal says so first, so that the next run ends what this began. */
const build = Effect.fnUntraced(function* (source: SchemaSource, { keyed, target }: Invalid, run: Run) {
  const { books, emit, lease } = run
  // A version of the earlier tool has no journal, and one row of it would look like the whole.
  const isKept = books.journal.some(({ version }) => version === keyed.key.version)
  const journal = isKept ? Journal.make(lease, []) : { ...Journal.none, renew: lease.renew }
  yield* journal.begin(keyed, null)
  yield* reconnecting(
    Transaction.run(
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        yield* sql.unsafe(`DROP INDEX IF EXISTS ${Quote.qualified(target.name.schema, target.name.name)}`).unprepared
        yield* lease.renew
      }),
      { operation: "DropIndex" }
    )
  )
  yield* Step.run(keyed, { engine: books.engine, schema: Differences.expected(source), emit, journal })
})
