/**
 * Whether a server takes a guarded write as one statement: locks in a WITH that gate what is inserted, updated and
 * deleted beside them, with ON CONFLICT and lists of bytes.
 *
 * It is tried on the tables of a migrator's own books, for a database that nobody has: the guard does not hold, and no
 * row would be written if it did.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"

/** What the server made of it. */
export type Form =
  | { readonly _tag: "Taken" }
  | { readonly _tag: "Refused"; readonly problem: string }
  | { readonly _tag: "Untold"; readonly problem: string }

const { literal, sql, value } = Expression

const lease = "schema_lease"

const journal = "schema_journal"

// Longer than a name of a database can be.
const nobody = { db_name: value("text", "?".repeat(255)) }

const guard = Guard.make({
  name: "holder",
  row: Guard.row(lease, nobody, ["fence"], "shared"),
  columns: ["fence"],
  refuse: () => Effect.fail("taken" as const)
})

const statement = Guarded.write({
  guards: [guard],
  writes: [
    Write.insert({
      into: journal,
      columns: {
        ...nobody,
        version: sql`encode(tried.data, 'hex')`,
        ordinal: literal("1"),
        statement: literal("''"),
        checksum: literal("''"),
        started_at: literal("now()"),
        owner: literal("''"),
        fence: Guard.column(guard, "fence", "integer")
      },
      from: Expression.records("tried", { data: "bytea" }, [{ data: new Uint8Array([0]) }]),
      where: Guard.exists(Expression.name(lease), Expression.key(lease, nobody)),
      onConflict: Write.replacing(["db_name", "version", "ordinal"], ["fence"])
    }),
    Write.update({ table: lease, set: { fence: sql`schema_lease.fence` }, where: Expression.key(lease, nobody) }),
    Write.remove({ table: "schema_version", where: Expression.key("schema_version", nobody) })
  ]
})

/** Tries it, on a client that sends guarded writes as one statement. */
export const tried = Transaction.autocommit(statement, { operation: "TryGuardedStatement" }).pipe(
  Effect.as<Form>({ _tag: "Refused", problem: "it wrote although the guard did not hold" }),
  Effect.catch((error): Effect.Effect<Form> => {
    if (error === "taken") return Effect.succeed({ _tag: "Taken" })
    const problem = error.message.replaceAll(/\s+/g, " ")
    const isRefused =
      error._tag === "UnsupportedFeature" || (error._tag === "StatementFailed" && error.sqlState !== denied)
    return Effect.succeed({ _tag: isRefused ? "Refused" : "Untold", problem })
  })
)

/** The role may not use the tables, which says nothing of the form. */
const denied = "42501"
