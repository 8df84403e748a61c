/**
 * Fire times between a bigint of microseconds and a TIMESTAMP column, to the microsecond: a JavaScript `Date` would
 * cut them to milliseconds, and floating point would round what lies beyond the year 2255.
 */
import type { SqlClient } from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"

/** A TIMESTAMP of a BIGINT. Whole seconds and the rest stay exact as factors of an interval, which are floating. */
export const toTimestamp = (sql: SqlClient, micros: Fragment): Fragment =>
  sql`(TIMESTAMP 'epoch' + ${micros} / 1000000 * INTERVAL '1 second' + ${micros} % 1000000 * INTERVAL '1 microsecond')`

/** A BIGINT of a TIMESTAMP: EXTRACT gives a numeric, which is exact. */
export const toMicros = (sql: SqlClient, timestamp: Fragment): Fragment =>
  sql`(EXTRACT(EPOCH FROM ${timestamp}) * 1000000)::bigint`

/** A TIMESTAMP of a BIGINT, in a statement that is written as text. */
export const timestampOf = (micros: string): string =>
  `(TIMESTAMP 'epoch' + ${micros} / 1000000 * INTERVAL '1 second' + ${micros} % 1000000 * INTERVAL '1 microsecond')`
