/**
 * Asking before something is lost. Where nobody can be asked, the answer is no.
 */
import { Prompt, TerminalCapabilities } from "effect/cli"
import * as Effect from "effect/Effect"
import { Declined, InvalidUsage } from "../Failure.ts"

/** Goes on where the user agrees; `flag` is what was given, `loss` what it does, as in `drop 3 tables`. */
export const confirm = Effect.fnUntraced(function* (format: "text" | "json", flag: string, loss: string) {
  const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
  if (!canPrompt || format === "json") {
    return yield* new InvalidUsage({ message: `${flag} would ${loss}: add --yes to do it` })
  }
  const message = `${loss.charAt(0).toUpperCase()}${loss.slice(1)}?`
  const agreed = yield* Effect.orElseSucceed(Prompt.run(Prompt.Confirm({ message, initial: false })), () => false)
  if (!agreed) return yield* new Declined({ message: "declined: nothing was changed" })
})
