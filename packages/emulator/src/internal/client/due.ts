/**
 * Which fault is due at an event of a client, and who hears of it.
 */
import type { Fault, Rule } from "../../Faults.ts"
import type { Client } from "./client.ts"

/** The fault that is due at an event of a client. */
export const due = (client: Client, on: Rule["on"]): Fault | undefined => {
  const fault = client.desk.faults.decide(on, client.connection.label)
  if (fault !== undefined) client.witness?.struck(`${fault}@${on}`)
  return fault
}
