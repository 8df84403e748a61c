/**
 * The console of an emulator: one static page and what it is told, on 127.0.0.1 alone, at an address with a token.
 *
 * Whoever knows the address sees what the emulator's clients do, and may break it on purpose. It has no other secrets
 * than the texts of statements; parameters are kept only where somebody asks for them.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { Emulator } from "@effect-dsql/emulator/Emulator"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import { createServer } from "node:http"
import * as Feed from "./internal/feed.ts"
import * as Gate from "./internal/gate.ts"
import * as Page from "./internal/page.ts"
import * as Message from "./Message.ts"

/**
 * The console could not begin.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConsoleError extends Data.TaggedError("ConsoleError")<{
  readonly message: string
}> {}

/**
 * How to serve it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Left out: a free port. */
  readonly port?: number | undefined
  /** What the emulator's faults are drawn by; shown beside the buttons. */
  readonly seed?: number | undefined
}

/**
 * A console that is served.
 *
 * @since 0.1.0
 * @category models
 */
export interface Console {
  readonly port: number
  /** The address of the page, with its token. */
  readonly url: Redacted.Redacted
}

const host = "127.0.0.1"

/** Nothing comes from elsewhere, and no other page holds this one. */
const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store"
}

const refusal = (status: 403 | 404 | 400 | 405, text: string) =>
  HttpServerResponse.text(`${text}\n`, { status, headers })

const decodeAction = Schema.decodeUnknownEffect(Schema.fromJsonString(Message.Action))

/** Bytes of a request: a rule is a few hundred. */
const longest = 10_000

/**
 * Serves the console of an emulator, which watches from now on; closing the scope stops it.
 *
 * @example
 * ```ts
 * import { Console } from "@effect-dsql/console"
 * import { Emulator } from "@effect-dsql/emulator"
 * import { Effect, Redacted } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const emulator = yield* Emulator.make()
 *   const console = yield* Console.serve(emulator)
 *   yield* Effect.log(`look at ${Redacted.value(console.url)}`)
 *   return yield* emulator.ended
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const serve = Effect.fnUntraced(function* (
  emulator: Emulator,
  options: Options = {}
): Effect.fn.Return<Console, ConsoleError, Scope.Scope> {
  const asked = options.port ?? 0
  if (!Number.isInteger(asked) || asked < 0 || asked > 65_535) {
    return yield* new ConsoleError({ message: `${asked} is not a port: give a number from 1 to 65535` })
  }
  yield* emulator.control.watch()
  const token = randomBytes(18).toString("base64url")
  const setting = { seed: options.seed ?? 1, url: Redacted.value(emulator.url()) }
  const files = Page.files()
  const http = createServer()
  // The last to happen: to a connection on which nothing was asked yet, nobody would answer any more, nor hang up.
  yield* Effect.addFinalizer(() => Effect.sync(() => http.closeAllConnections()))
  const server = yield* NodeHttpServer.make(() => http, {
    port: asked,
    host,
    gracefulShutdownTimeout: "1 second"
  }).pipe(Effect.mapError(() => new ConsoleError({ message: `cannot listen on port ${asked}: choose another` })))
  const port = server.address._tag === "UnixPathAddress" ? 0 : server.address.port

  const act = (text: string) =>
    Effect.gen(function* () {
      const { control } = emulator
      const action = yield* decodeAction(text)
      switch (action._tag) {
        case "Inject":
          yield* control.inject(action.rule)
          break
        case "Clear":
          yield* control.clear
          break
        case "Latency":
          yield* control.latency(action.millis)
          break
        case "Advance":
          yield* control.advance(action.millis)
          break
        case "Parameters":
          yield* control.watch({ parameters: action.kept })
      }
      return HttpServerResponse.empty({ status: 204, headers })
    }).pipe(Effect.catch(() => Effect.succeed(refusal(400, "that is nothing that a page asks for"))))

  const handle = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const path = Gate.admit(request, port, token)
    if (path === 403) return refusal(403, "this console speaks to its own page alone")
    if (path === 404) return refusal(404, "not found: open the address that was printed, with its token")
    if (path === "act" && request.method === "POST") {
      if (Number(request.headers["content-length"] ?? Infinity) > longest) return refusal(400, "too long")
      return yield* Effect.flatMap(request.text, act)
    }
    if (request.method !== "GET") return refusal(405, "not that way")
    if (path === "events") {
      const after = Number(request.headers["last-event-id"] ?? 0)
      const events = Feed.events(emulator, setting, Number.isSafeInteger(after) && after > 0 ? after : 0)
      return HttpServerResponse.stream(Stream.encodeText(events), { contentType: "text/event-stream", headers })
    }
    const file = files.get(path === "" ? "index.html" : path)
    if (file !== undefined) return HttpServerResponse.uint8Array(file.bytes, { contentType: file.type, headers })
    if (path === "") return refusal(404, "the page is not built: run `npx -y pnpm@12.21.0 build`, and start again")
    return refusal(404, "not found")
  }).pipe(Effect.catch(() => Effect.succeed(refusal(400, "the request broke off"))))

  yield* server.serve(handle)
  return { port, url: Redacted.make(`http://${host}:${port}/${token}/`) }
})
