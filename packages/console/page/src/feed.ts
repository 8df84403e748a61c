/**
 * What the server sends, and what it is asked for. The browser connects again by itself, and says how far it came.
 */
import type { Action, State } from "../../src/Message.ts"
import type { Transaction } from "@effect-dsql/emulator/Watch"
import type { Store } from "./store.ts"

/** Follows the server. What it sends is of its own schemas: page and server are one package. */
export const follow = (store: Store): void => {
  const source = new EventSource("events")
  source.addEventListener("open", () => store.setLink("up"))
  // A browser gives up where it is answered, but not with events: another console is there, with another token.
  source.addEventListener("error", () => store.setLink(source.readyState === EventSource.CLOSED ? "stale" : "down"))
  source.addEventListener("transactions", ({ data }: MessageEvent<string>) => {
    store.add(JSON.parse(data) as ReadonlyArray<Transaction>)
  })
  source.addEventListener("state", ({ data }: MessageEvent<string>) => store.setState(JSON.parse(data) as State))
}

/** Asks the server for something; gives whether it did it. */
export const act = async (action: Action): Promise<boolean> => {
  try {
    const response = await fetch("act", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(action)
    })
    return response.ok
  } catch {
    // Nobody is there any more.
    return false
  }
}
