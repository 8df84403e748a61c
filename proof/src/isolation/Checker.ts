/**
 * Tells which anomalies a history shows, by the dependency-graph method.
 */
import { type Anomaly, meaning, violatesSnapshot } from "./Anomaly.ts"
import { cycles } from "./Cycles.ts"
import { dependencies } from "./Dependencies.ts"
import type { History } from "./History.ts"
import { recover } from "./Versions.ts"

/** Every anomaly of the history, write skew included. */
export const check = (history: History): ReadonlyArray<Anomaly> => {
  const recovered = recover(history)
  return [...recovered.anomalies, ...cycles(dependencies(recovered))]
}

/** The anomalies that no history of snapshot isolation shows. */
export const violations = (history: History): ReadonlyArray<Anomaly> => check(history).filter(violatesSnapshot)

/** One line for people. */
export const describe = ({ explanation, name, transactions }: Anomaly): string =>
  `${name} (${meaning[name]}) of transactions ${transactions.join(", ")}: ${explanation}`
