/**
 * Fire times between a bigint of microseconds and a TIMESTAMP column, to the microsecond: a JavaScript `Date` would
 * cut them to milliseconds, and floating point would round what lies beyond the year 2255.
 */
import * as Expression from "@effect-dsql/core/Expression"

/** A TIMESTAMP of a BIGINT. Whole seconds and the rest stay exact as factors of an interval, which are floating. */
export const toTimestamp = (micros: Expression.Expression): Expression.Expression =>
  Expression.sql`(TIMESTAMP 'epoch' + ${micros} / 1000000 * INTERVAL '1 second' + ${micros} % 1000000 * INTERVAL '1 microsecond')`

/** A BIGINT of a TIMESTAMP: EXTRACT gives a numeric, which is exact. */
export const toMicros = (timestamp: Expression.Expression): Expression.Expression =>
  Expression.sql`(EXTRACT(EPOCH FROM ${timestamp}) * 1000000)::bigint`
