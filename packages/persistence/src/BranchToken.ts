/**
 * Branch tokens: a branch as the bytes that Temporal names it by, in the version histories of a run and in its requests.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import { HistoryBranch } from "./HistoryBranch.ts"
import * as Message from "./internal/history/branchMessage.ts"

/**
 * A branch and its token, Temporal's message `HistoryBranch`. Fields that the message may have beside are passed over.
 *
 * @example
 * ```ts
 * import { BranchToken, type HistoryBranch } from "@effect-dsql/persistence"
 * import { Schema } from "effect"
 *
 * const toToken = (branch: HistoryBranch.HistoryBranch) => Schema.encodeSync(BranchToken.BranchToken)(branch)
 *
 * const fromToken = (token: Uint8Array) => Schema.decodeEffect(BranchToken.BranchToken)(token)
 * ```
 *
 * @since 0.1.0
 * @category codecs
 */
export const BranchToken: Schema.Codec<HistoryBranch, Uint8Array> = Schema.Uint8Array.pipe(
  Schema.decodeTo(Schema.toType(HistoryBranch), {
    decode: SchemaGetter.transformEffect((token: Uint8Array, options) =>
      Effect.try({
        // The schema on this side looks at what was read.
        try: () => Message.decode(token) as HistoryBranch,
        catch: () => new SchemaIssue.InvalidValue({ expected: "a HistoryBranch message" }, token, options)
      })
    ),
    encode: SchemaGetter.transform(Message.encode)
  })
)
