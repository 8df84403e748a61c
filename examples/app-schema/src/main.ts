/**
 * `DSQL_URL=… node src/main.ts EMAIL NAME`: opens an account. The schema is migrated when the program starts.
 */
import { DsqlClient } from "@effect-dsql/core"
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import * as Accounts from "./Accounts.ts"
import { Migrated } from "./Schema.ts"

const [email = "ada@example.org", name = "Ada"] = process.argv.slice(2)

const App = Migrated.pipe(Layer.provideMerge(DsqlClient.layerConfig()), Layer.provide(NodeServices.layer))

Accounts.open(email, name).pipe(
  Effect.flatMap((n) => Console.log(`${n} account${n === 1 ? "" : "s"}`)),
  Effect.provide(App),
  NodeRuntime.runMain
)
