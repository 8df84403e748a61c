/**
 * Page tokens: where the next page of a list begins.
 *
 * A token is opaque to the caller and checked when it comes back: it is bound to
 * its version, to the table of its list, and to the part and range of it that
 * were asked for. A foreign, cut or altered one is refused with
 * `PageTokenInvalid` before anything is read.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { PageToken as PageTokenSchema } from "./internal/page/pageToken.ts"

/**
 * Where a list goes on. Keep it as it is; only the list that gave it can read it.
 *
 * @since 0.1.0
 * @category models
 */
export const PageToken = PageTokenSchema

/**
 * @since 0.1.0
 * @category models
 */
export type PageToken = typeof PageToken.Type

/**
 * Which page of a list is asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface PageRequest {
  /** Items that the page has at most: a whole number from 1, and no more than 1,000 whatever it says. Default: 100. */
  readonly size?: number | undefined
  /** `next` of the page before, or of the `MalformedRow` that is to be passed over. Default: the first page. */
  readonly token?: PageToken | undefined
}

/**
 * One page of a list. It ends early before a row that does not decode: the page after it fails with `MalformedRow`,
 * whose `next` leads past that row.
 *
 * @since 0.1.0
 * @category models
 */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  /** Undefined after the last page. */
  readonly next: PageToken | undefined
}
