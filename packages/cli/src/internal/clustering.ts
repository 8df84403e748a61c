/**
 * What the commands on a cluster have in common: its name, the tables that have to be there, and who is meant where the
 * name is wrong. What is heavy is loaded when it is needed.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import { Flag } from "effect/cli"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Connection from "../Connection.ts"
import { type CommandError, InvalidUsage } from "../Failure.ts"
import * as Migrating from "./migrating.ts"

const schema = "dsql/cluster"

export const prefixFlag = {
  prefix: Flag.String("prefix").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription("The cluster, as DsqlCluster.layerWith names it [default: cluster]"),
    Flag.optional
  )
}

/** The cluster that is meant, and the database's clock. */
export interface Meant {
  readonly prefix: string
  readonly at: DateTime.Utc
}

/** Runs an effect on a cluster whose tables are there. A name that no cluster has is refused where others have one. */
export const inCluster = Effect.fnUntraced(function* <A, E extends CommandError, R>(
  asked: Option.Option<string>,
  shared: Connection.Given & Connection.InProject & { readonly dbName: string | undefined },
  settings: Connection.Settings,
  use: (meant: Meant) => Effect.Effect<A, E, R | DsqlClient>
) {
  const { isPrefix } = yield* Effect.promise(() => import("@effect-dsql/cluster/Holding"))
  const prefix = Option.getOrElse(asked, () => "cluster")
  if (!isPrefix(prefix)) {
    return yield* new InvalidUsage({
      message: `--prefix ${JSON.stringify(prefix)} is no cluster's name: give 1 to 100 letters, digits, "_", "-" and "."`
    })
  }
  const named = { schemaDir: Option.none(), schemaName: Option.some(schema) }
  const { database, source } = yield* Migrating.sourceOf(named, shared)
  const Status = yield* Effect.promise(() => import("@effect-dsql/schema/Status"))
  const { NotSetUp } = yield* Effect.promise(() => import("@effect-dsql/schema/MigrationError"))
  const Inspection = yield* Effect.promise(() => import("@effect-dsql/cluster/Inspection"))
  return yield* Migrating.migrate(settings, (migrator) =>
    Effect.gen(function* () {
      const status = yield* migrator.status({ source, database })
      if (status.current === null) {
        return yield* new NotSetUp({ database, schema, begun: status.state === "half-set-up" })
      }
      yield* Status.ensure(status)
      const { at, prefixes } = yield* Inspection.clusters
      if (prefixes.length > 0 && !prefixes.includes(prefix)) {
        return yield* new InvalidUsage({
          message: `no runner of a cluster ${JSON.stringify(prefix)} has been in this database: give --prefix, one of ${prefixes.join(", ")}`
        })
      }
      return yield* use({ prefix, at })
    })
  )
})
