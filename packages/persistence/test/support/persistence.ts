/**
 * The stores on a migrated database of their own.
 */
import { Persistence } from "@effect-dsql/persistence"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { Layer } from "effect"

export const TestPersistence = Persistence.layer.pipe(
  Layer.provideMerge(Testing.layer({ source: SchemaSource.builtIn() }))
)
