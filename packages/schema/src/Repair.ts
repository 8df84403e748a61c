/**
 * The explicit ways out of what a migrator refuses to decide by itself.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Catalogue from "./Catalogue.ts"
import * as Collisions from "./Collisions.ts"
import { reconnecting } from "./internal/reconnecting.ts"
import * as Job from "./Job.ts"
import * as Journal from "./Journal.ts"
import * as Lease from "./Lease.ts"
import type { MigrationError, Settings } from "./Migration.ts"
import * as Route from "./Route.ts"
import { databaseOf, leased, type Run } from "./Run.ts"
import { label } from "./SchemaSource.ts"
import type { SqlStatement } from "./SqlFile.ts"
import * as State from "./State.ts"
import * as Step from "./Step.ts"
import { display, type Target } from "./Target.ts"
import type * as Version from "./Version.ts"

/**
 * What to repair. With none of the three, a repair only says what it finds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<Settings, "version"> {
  /** Drops the schema's invalid indexes, and builds them again. Default: false. */
  readonly rebuild?: boolean | undefined
  /** Takes the files as they are now for what has run. Default: false. */
  readonly accept?: boolean | undefined
  /** Ends the lease of another migrator, which then cannot write any more. Default: false. */
  readonly release?: boolean | undefined
}

/**
 * What was found, and what was done about it. It is also the JSON that the command line prints.
 *
 * @since 0.1.0
 * @category models
 */
export interface Repair {
  /** The name of the schema: a built-in one, or a path. */
  readonly schema: string
  /** The name that the version is recorded under. */
  readonly database: string
  /** Indexes of the schema that are there and not valid. */
  readonly indexes: ReadonlyArray<{
    readonly index: string
    readonly table: string
    readonly location: string
    /** The keys that rows of a unique index share, a few of them. */
    readonly collisions: ReadonlyArray<string>
    readonly rebuilt: boolean
  }>
  /** Statements that have run, and that the files do not have as they ran. */
  readonly changes: ReadonlyArray<{
    readonly version: Version.Version
    readonly ordinal: number
    /** Null where the files have it no longer. */
    readonly location: string | null
    readonly summary: string
    readonly accepted: boolean
  }>
  /** The lease that somebody else has; null where nobody does. */
  readonly lease: {
    readonly owner: string
    readonly expires: DateTime.Utc
    /** Whether its time is over, so that anybody may take it. */
    readonly expired: boolean
    readonly released: boolean
  } | null
}

/**
 * Looks for what needs repair, and repairs what it is asked to.
 *
 * @since 0.1.0
 * @category execution
 */
export const run = (options: Options): Effect.Effect<Repair, MigrationError, DsqlClient> =>
  Effect.gen(function* () {
    const { accept = false, rebuild = false, release = false, source } = options
    const database = databaseOf(options)
    const before = yield* State.read(database)
    const { holder } = before
    if (release && holder !== undefined) yield* Lease.revoke(database)
    const indexes = yield* invalid(source, before.engine)
    const changes = Route.changes(source, before)
    const isAccepting = accept && changes.length > 0
    const isRebuilding = rebuild && indexes.length > 0
    if (isAccepting || isRebuilding) {
      yield* leased(options, before, (run) =>
        Effect.gen(function* () {
          if (isAccepting) yield* Effect.forEach(Route.changes(source, run.state), (each) => take(each, run))
          if (isRebuilding) yield* Effect.forEach(indexes, (each) => build(each, run))
        })
      )
    }
    return {
      schema: source.name,
      database,
      indexes: indexes.map(({ collisions, statement, target }) => ({
        index: display(target.name),
        table: display(target.table),
        location: statement.location,
        collisions,
        rebuilt: isRebuilding
      })),
      changes: changes.map(({ ordinal, row, version }) => {
        const statement = version.statements[ordinal - 1]
        return {
          version: version.version,
          ordinal,
          location: statement?.location ?? null,
          summary: row?.statement ?? statement?.summary ?? "",
          accepted: isAccepting
        }
      }),
      lease:
        holder === undefined
          ? null
          : { owner: holder.owner, expires: holder.expires, expired: holder.expired, released: release }
    }
  })

/** An index of the schema that is there, is not valid, and that nobody is building. */
interface Invalid {
  readonly key: Journal.Key
  readonly statement: SqlStatement
  readonly target: Extract<Target, { readonly _tag: "CreateIndex" }>
  readonly collisions: ReadonlyArray<string>
}

const invalid = Effect.fnUntraced(function* (
  source: Settings["source"],
  engine: Catalogue.Engine
): Effect.fn.Return<ReadonlyArray<Invalid>, TransactionError, DsqlClient> {
  const indexes = source.versions.flatMap((version) =>
    version.statements.flatMap((statement, i) => {
      const { target } = statement
      return target._tag === "CreateIndex"
        ? [{ key: { version: label(version), ordinal: i + 1 }, statement, target }]
        : []
    })
  )
  const { find } = yield* Transaction.autocommit(Catalogue.lookup(indexes.map(({ target }) => target.name)), {
    operation: "ReadCatalogue",
    readOnly: true
  })
  const found = yield* Effect.forEach(indexes, (each) =>
    Effect.gen(function* () {
      const relation = find(each.target.name)
      if (relation?.index?.valid !== false) return []
      if (engine === "dsql" && (yield* Job.building(each.target.name, relation)) !== undefined) return []
      return [{ ...each, collisions: yield* Collisions.of(each.target.name) }]
    })
  )
  return found.flat()
})

/** Writes down what the files say now. What it is open whether it ran, the catalogue decides by the new text. */
const take = Effect.fnUntraced(function* (change: Route.Change, { lease, state }: Run) {
  const journal = Journal.make(lease, state.journal)
  const { ordinal, row, version } = change
  const key = { version: label(version), ordinal }
  const statement = version.statements[ordinal - 1]
  if (statement === undefined) return yield* journal.remove(key)
  if (row === undefined || !Journal.isOpen(row)) return yield* journal.adopt(key, statement)
  yield* journal.begin(key, statement, null)
  yield* journal.refuse(key, "the file was changed, and the change accepted")
})

/** Drops an invalid index and builds it again. The journal says so first, so that the next run ends what this began. */
const build = Effect.fnUntraced(function* ({ key, statement, target }: Invalid, { emit, lease, state }: Run) {
  // A version of the earlier tool has no journal, and one row of it would look like the whole.
  const isKept = state.journal.some(({ version }) => version === key.version)
  const journal = isKept ? Journal.make(lease, []) : { ...Journal.none, renew: lease.renew }
  yield* journal.begin(key, statement, null)
  yield* reconnecting(
    Transaction.run(
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        yield* sql.unsafe(`DROP INDEX IF EXISTS ${Catalogue.quoted(target.name)}`).unprepared
        yield* lease.renew
      }),
      { operation: "DropIndex" }
    )
  )
  yield* Step.run(key, statement, { engine: state.engine, emit, journal })
})
