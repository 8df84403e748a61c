/**
 * What a page of metrics says of each metric.
 */
import type { Sample } from "./exposition.ts"

export class Series {
  private readonly byName: ReadonlyMap<string, ReadonlyArray<Sample>>

  constructor(samples: ReadonlyArray<Sample>) {
    this.byName = Map.groupBy(samples, ({ name }) => name)
  }

  /** The samples of a metric; none where it has not moved. */
  readonly of = (name: string): ReadonlyArray<Sample> => this.byName.get(name) ?? []

  /** All samples of a metric together. */
  readonly sum = (name: string): number => this.of(name).reduce((sum, { value }) => sum + value, 0)

  /** The samples of a metric together, for each value of a label. */
  readonly by = (name: string, label: string): ReadonlyMap<string, number> => {
    const sums = new Map<string, number>()
    for (const { labels, value } of this.of(name)) {
      const key = labels.get(label) ?? ""
      sums.set(key, (sums.get(key) ?? 0) + value)
    }
    return sums
  }

  /** How often something was timed, and its mean, for each value of a label. */
  readonly means = (
    name: string,
    label: string
  ): ReadonlyMap<string, { readonly count: number; readonly mean: number }> => {
    const sums = this.by(`${name}_sum`, label)
    return new Map(
      [...this.by(`${name}_count`, label)].map(([key, count]) => [
        key,
        { count, mean: count === 0 ? 0 : (sums.get(key) ?? 0) / count }
      ])
    )
  }
}
