/**
 * The page of metrics of a running process.
 */
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Stream from "effect/Stream"
import { CannotConnect, InvalidUsage } from "../../Failure.ts"
import * as Exposition from "./exposition.ts"

/** How long a process may take to show its metrics. */
const patience = "10 seconds"

/** Characters that a page may have: a process of ours has some hundred thousand. */
const longest = 64 * 2 ** 20

const advice = "give the address that the process serves its metrics at, see docs/metrics.md"

/** Where metrics are, by what was given. */
export const addressOf = (given: string): Effect.Effect<URL, InvalidUsage> => {
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    return Effect.fail(
      new InvalidUsage({
        message: `--metrics cannot be ${JSON.stringify(given)}: give an address such as http://127.0.0.1:9464/metrics`
      })
    )
  }
  return url.username === "" && url.password === ""
    ? Effect.succeed(url)
    : // Not shown: it may hold a password.
      Effect.fail(new InvalidUsage({ message: "--metrics has a user or password in it: others see it, leave it out" }))
}

/** Reads the samples that a process shows. */
export const scrape = (url: URL): Effect.Effect<ReadonlyArray<Exposition.Sample>, CannotConnect | InvalidUsage> =>
  Effect.flatMap(pageOf(url), (page) =>
    Effect.mapError(
      Exposition.parse(page),
      ({ line, text }) =>
        new InvalidUsage({
          message: `${url.href} shows no metrics, line ${line} is ${JSON.stringify(text.slice(0, 60))}: ${advice}`
        })
    )
  )

const pageOf = (url: URL): Effect.Effect<string, CannotConnect> =>
  Effect.gen(function* () {
    const response = yield* HttpClient.get(url)
    if (response.status !== 200) return yield* unread(url, `answers with ${response.status}`, new Error("no page"))
    return yield* response.stream.pipe(
      Stream.decodeText(),
      Stream.runFoldEffect(
        () => "",
        (page, text) =>
          page.length > longest
            ? unread(url, "shows more than any process has", new Error("no end"))
            : Effect.succeed(page + text)
      )
    )
  }).pipe(
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => unread(url, `does not answer within ${patience}`, new Error("no answer"))
    }),
    Effect.catchTag("HttpClientError", (error) => unread(url, `does not answer: ${reasonOf(error)}`, error)),
    Effect.provide(FetchHttpClient.layer)
  )

const unread = (url: URL, what: string, cause: Error) =>
  Effect.fail(new CannotConnect({ problem: `${url.href} ${what}`, advice, cause }))

/** The innermost of what something caused: the network's own word. */
const reasonOf = (error: Error): string => {
  const { cause } = error
  const inner = cause instanceof Error ? reasonOf(cause) : ""
  return inner === "" ? error.message : inner
}
