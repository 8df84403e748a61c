/**
 * What the stores can refuse, with what a caller needs to go on.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { LimitExceeded, TransactionError } from "@effect-dsql/core/DsqlError"
import * as Schema from "effect/Schema"
import { PageToken } from "./internal/page/pageToken.ts"

const id = (tag: string) => `@effect-dsql/persistence/PersistenceError/${tag}`

/**
 * Another host owns the shard. The caller unloads it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ShardOwnershipLost extends Schema.TaggedError<ShardOwnershipLost>(id("ShardOwnershipLost"))(
  "ShardOwnershipLost",
  {
    shardId: Schema.Int,
    /** The range that the caller held. */
    expected: Schema.BigInt,
    /** The range that the shard has now; undefined where there is no such shard. */
    actual: Schema.UndefinedOr(Schema.BigInt)
  }
) {
  override get message(): string {
    const actual = this.actual === undefined ? "there is no such shard" : `it has range ${this.actual} now`
    return `shard ${this.shardId} is not owned with range ${this.expected}: ${actual}`
  }
}

/**
 * An archetype id of 0 was given explicitly. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class ArchetypeUnspecified extends Schema.TaggedError<ArchetypeUnspecified>(id("ArchetypeUnspecified"))(
  "ArchetypeUnspecified",
  { businessId: Schema.String }
) {
  override get message(): string {
    return `${this.businessId}: the archetype id is 0 (unspecified); leave it out for a workflow, or give the archetype's`
  }
}

/**
 * A stored row is not what its column should hold.
 *
 * @since 0.1.0
 * @category errors
 */
export class MalformedRow extends Schema.TaggedError<MalformedRow>(id("MalformedRow"))("MalformedRow", {
  table: Schema.String,
  /** The row's primary key, for people. */
  key: Schema.String,
  /** Which column, and what is wrong with it. */
  reason: Schema.String,
  /** In a list: where it goes on after this row. Left out where nothing follows, or no list was read. */
  next: Schema.optional(PageToken)
}) {
  override get message(): string {
    return `${this.table} (${this.key}): ${this.reason}`
  }
}

/**
 * A page token is not one that this list gave. Nothing was read; begin again without a token.
 *
 * @since 0.1.0
 * @category errors
 */
export class PageTokenInvalid extends Schema.TaggedError<PageTokenInvalid>(id("PageTokenInvalid"))("PageTokenInvalid", {
  /** The list that was asked. */
  list: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the page token is not one of ${this.list}: ${this.reason}; begin again without a token`
  }
}

/**
 * A page cannot have this size. Nothing was read.
 *
 * @since 0.1.0
 * @category errors
 */
export class PageSizeInvalid extends Schema.TaggedError<PageSizeInvalid>(id("PageSizeInvalid"))("PageSizeInvalid", {
  /** The list that was asked. */
  list: Schema.String,
  size: Schema.Number
}) {
  override get message(): string {
    return `a page of ${this.list} cannot have ${this.size} items; ask for 1 to 1,000`
  }
}

/**
 * A text that no column takes as it is. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class TextInvalid extends Schema.TaggedError<TextInvalid>(id("TextInvalid"))("TextInvalid", {
  /** Where it was given. */
  where: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.where}: ${this.reason}`
  }
}

/**
 * A number that no column takes, or that means nothing where it was given. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class NumberInvalid extends Schema.TaggedError<NumberInvalid>(id("NumberInvalid"))("NumberInvalid", {
  /** Where it was given. */
  where: Schema.String,
  value: Schema.Union([Schema.BigInt, Schema.Number]),
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.where}: ${this.value}: ${this.reason}`
  }
}

/**
 * What every operation can end with that is given texts or numbers.
 *
 * @since 0.1.0
 * @category models
 */
export type ValueInvalid = NumberInvalid | TextInvalid

/**
 * What every operation can end with, whatever it does.
 *
 * @since 0.1.0
 * @category models
 */
export type OperationError = TransactionError | ValueInvalid

/**
 * What every operation that reads what is stored can end with.
 *
 * @since 0.1.0
 * @category models
 */
export type ReadError = OperationError | MalformedRow

/**
 * What every page of a list can end with.
 *
 * @since 0.1.0
 * @category models
 */
export type PageError = ReadError | PageSizeInvalid | PageTokenInvalid

/**
 * What every write can end with that sends values of the caller, besides a condition that did not hold.
 *
 * @since 0.1.0
 * @category models
 */
export type WriteError = ReadError | LimitExceeded
