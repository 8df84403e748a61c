/**
 * The options of a sequence, those that are left out as PostgreSQL fills them in.
 */
import { isOff, type Node, text as textOf } from "@effect-dsql/dialect/ParseTree"
import { type as typeOf } from "./canonical.ts"

/** What a sequence is, but for where it stands. */
export interface Options {
  readonly type: string
  readonly increment: bigint
  /** Undefined for the one that goes with type and direction. */
  readonly least: bigint | undefined
  readonly most: bigint | undefined
  readonly start: bigint | undefined
  readonly cache: bigint
  readonly cycle: boolean
}

const bits: Readonly<Record<string, bigint>> = { smallint: 15n, integer: 31n, bigint: 63n }

/** Those of a sequence of a type that nothing is said of. */
export const defaults = (type: string): Options => ({
  type: type in bits ? type : "bigint",
  increment: 1n,
  least: undefined,
  most: undefined,
  start: undefined,
  cache: 1n,
  cycle: false
})

/** Options with those that a statement gives. */
export const read = (given: ReadonlyArray<Node> | undefined, before: Options): Options =>
  (given ?? []).reduce((options, node) => ("DefElem" in node ? change(options, node.DefElem) : options), before)

const change = (options: Options, { arg, defname }: { readonly arg?: Node; readonly defname?: string }): Options => {
  switch (defname) {
    case "as":
      return arg !== undefined && "TypeName" in arg ? { ...options, type: typeOf(arg.TypeName) } : options
    case "increment":
      return { ...options, increment: numberOf(arg) ?? options.increment }
    case "minvalue":
      return { ...options, least: numberOf(arg) }
    case "maxvalue":
      return { ...options, most: numberOf(arg) }
    case "start":
      return { ...options, start: numberOf(arg) }
    case "cache":
      return { ...options, cache: numberOf(arg) ?? options.cache }
    case "cycle":
      return { ...options, cycle: !isOff(arg) }
    default:
      return options
  }
}

const numberOf = (node: Node | undefined): bigint | undefined => {
  if (node === undefined) return undefined
  if ("Integer" in node) return BigInt(node.Integer.ival ?? 0)
  const text = "Float" in node ? node.Float.fval : textOf(node)
  return text === undefined ? undefined : BigInt(text)
}

/** All of them, in SQL. */
export const text = ({ cache, cycle, increment, least, most, start, type }: Options): string => {
  const limit = 1n << (bits[type] ?? 63n)
  const rises = increment > 0n
  const min = least ?? (rises ? 1n : -limit)
  const max = most ?? (rises ? limit - 1n : -1n)
  const first = start ?? (rises ? min : max)
  return `AS ${type} INCREMENT ${increment} MINVALUE ${min} MAXVALUE ${max} START ${first} CACHE ${cache} ${cycle ? "" : "NO "}CYCLE`
}
