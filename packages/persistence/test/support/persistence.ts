/**
 * The stores on a migrated database of their own.
 */
import { Persistence } from "@effect-dsql/persistence"
import { Layer } from "effect"
import { TestCluster } from "../../../../test/database.ts"
import { Migrated } from "../../../../test/migrated.ts"

export const TestPersistence = Persistence.layer.pipe(Layer.provideMerge(Migrated), Layer.provideMerge(TestCluster()))
