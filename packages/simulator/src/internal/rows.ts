/**
 * What a cluster makes of what arrives at it: versions of rows, snapshots, and conflicts found at COMMIT.
 */
import { SerializationError, SqlError } from "effect/sql/SqlError"

/** The rows of a cluster, as far as anybody has changed them. */
export class Rows {
  private readonly commits = new Map<unknown, number>()
  private time = 0

  /** A transaction that has not arrived yet. */
  readonly transaction = (): Transaction => {
    let snapshot: number | undefined
    const written = new Set<unknown>()
    return {
      begin: () => {
        snapshot ??= this.time
      },
      write: (row) => {
        written.add(row)
      },
      hasWritten: () => written.size > 0,
      commit: () => {
        const begun = snapshot ?? this.time
        if ([...written].some((row) => (this.commits.get(row) ?? 0) > begun)) return false
        this.time += 1
        for (const row of written) this.commits.set(row, this.time)
        return true
      }
    }
  }
}

/** A transaction, by what arrives of it. */
export interface Transaction {
  /** Its first word: from here on it sees what is there now. */
  readonly begin: () => void
  readonly write: (row: unknown) => void
  readonly hasWritten: () => boolean
  /** Whether nobody has changed meanwhile what it changed. */
  readonly commit: () => boolean
}

export const conflict = new SqlError({
  reason: new SerializationError({
    cause: { code: "40001", message: "change conflicts with another transaction (OC000)" },
    message: "change conflicts with another transaction (OC000)",
    operation: "commit"
  })
})
