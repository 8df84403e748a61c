/**
 * Names and texts as SQL, quoted so that they can be nothing else.
 *
 * @since 0.1.0
 * @stability unstable
 */

/**
 * A name in double quotes, whatever is in it: `a"b` is `"a""b"`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/**
 * A name with the names that it is in, each quoted; those that are not known are left out.
 *
 * @example
 * ```ts
 * import { Quote } from "@effect-dsql/dialect"
 *
 * Quote.qualified("public", "Order") // "public"."Order"
 * Quote.qualified(undefined, "Order") // "Order"
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const qualified = (...path: ReadonlyArray<string | undefined>): string =>
  path.flatMap((name) => (name === undefined ? [] : identifier(name))).join(".")

/**
 * A text in single quotes, or NULL. A backslash is itself, because `standard_conforming_strings` is on, as it is on
 * every cluster. Values of a program belong into parameters; this is for where SQL takes none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const literal = (text: string | null): string => (text === null ? "NULL" : `'${text.replaceAll("'", "''")}'`)
