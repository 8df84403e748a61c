/**
 * JSON as a parameter: the fragment that sql-pg's `json` makes, by which a client knows that its keys may be transformed.
 */
import * as Statement from "effect/sql/Statement"

type PgJson = Statement.Custom<"PgJson", unknown>

/** The driver's compiler knows the fragment by this name. */
const json = Statement.custom<PgJson>("PgJson")

/** A value as a parameter of type jsonb. */
export const fragment = (value: unknown): Statement.Fragment => Statement.fragment([json(value, undefined, undefined)])

/** The value of such a parameter. */
export const valueOf = ({ segments: [segment] }: Statement.Fragment): unknown =>
  segment?._tag === "Custom" ? segment.paramA : undefined
