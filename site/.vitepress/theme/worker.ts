/** Simulates beside the page, so that its sliders never wait. */
import "./immediate.ts"
import { Effect } from "effect"
import { contest, fleet, type Contest, type Fleet } from "../../src/Simulation.ts"

self.addEventListener("message", async ({ data }: MessageEvent<Contest | Fleet>) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- it answers whoever started it
  self.postMessage(await Effect.runPromise<unknown, unknown>(data.kind === "contest" ? contest(data) : fleet(data)))
})
