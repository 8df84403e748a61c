import { Console, Message } from "@effect-dsql/console"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted, Schema, Scope } from "effect"
import { once } from "node:events"
import { get, request, type IncomingMessage } from "node:http"
import { connect } from "node:net"
import { heldBytes } from "../../../test/heldBytes.ts"
import { opened, race, say } from "./race.ts"

/** What a server answers a request with, whose Host and Origin may be anybody's. */
const ask = (
  url: string,
  options: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string } = {}
) =>
  Effect.callback<{ readonly status: number; readonly headers: IncomingMessage["headers"]; readonly text: string }>(
    (resume) => {
      const sent = request(url, { method: options.method ?? "GET", headers: options.headers ?? {} }, (response) => {
        let text = ""
        response.on("data", (chunk: Buffer) => (text += chunk.toString()))
        response.on("end", () =>
          resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text }))
        )
      })
      sent.end(options.body)
    }
  )

/** Follows the events until one satisfies; gives all that came, and the last id. */
const until = (
  url: string,
  satisfies: (events: ReadonlyArray<{ readonly name: string; readonly data: string }>) => boolean,
  lastId?: string
) =>
  Effect.callback<{
    readonly events: ReadonlyArray<{ readonly name: string; readonly data: string }>
    readonly id: string
  }>((resume) => {
    const sent = get(
      `${url}events`,
      { headers: lastId === undefined ? {} : { "last-event-id": lastId } },
      (response) => {
        let text = ""
        const events: Array<{ readonly name: string; readonly data: string }> = []
        let id = ""
        response.on("data", (chunk: Buffer) => {
          text += chunk.toString()
          const parts = text.split("\n\n")
          text = parts.pop() ?? ""
          for (const part of parts) {
            const lines = part.split("\n")
            const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
            events.push({ name: field("event") ?? "", data: field("data") ?? "" })
            id = field("id") ?? id
          }
          if (!satisfies(events)) return
          sent.destroy()
          resume(Effect.succeed({ events, id }))
        })
      }
    )
    sent.on("error", () => {})
    return Effect.sync(() => sent.destroy())
  })

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Message.Transactions))
const transactionsOf = (events: ReadonlyArray<{ readonly name: string; readonly data: string }>) =>
  events.flatMap(({ data, name }) => (name === "transactions" ? decode(data) : []))

describe("the console", () => {
  it.live("lets in who knows the token, comes by this machine's name, and speaks for no other page", () =>
    Effect.gen(function* () {
      const { origin, port, url } = yield* opened
      const act = `${url}act`
      const clear = { method: "POST", body: JSON.stringify({ _tag: "Clear" }) }
      const cases: ReadonlyArray<readonly [number, string, Parameters<typeof ask>[1]]> = [
        [404, `${origin}/`, {}],
        [404, `${origin}/${"x".repeat(24)}/`, {}],
        [404, `${origin}/${"x".repeat(24)}/events`, {}],
        [403, url, { headers: { host: `evil.example:${port}` } }],
        [403, url, { headers: { host: "127.0.0.1" } }],
        [403, `${url}events`, { headers: { origin: "https://evil.example" } }],
        [403, `${url}events`, { headers: { origin: "null" } }],
        [403, act, clear],
        [403, act, { ...clear, headers: { origin: "https://evil.example" } }],
        [403, act, { ...clear, headers: { origin: `http://127.0.0.1:${port + 1}` } }],
        [404, `${origin}/${"x".repeat(24)}/act`, { ...clear, headers: { origin } }],
        [400, act, { method: "POST", body: "{}", headers: { origin, "content-length": "2" } }],
        [400, act, { method: "POST", body: "x".repeat(20_000), headers: { origin, "content-length": "20000" } }],
        [405, url, { method: "DELETE", headers: { origin } }],
        [204, act, { ...clear, headers: { origin, "content-length": String(clear.body.length) } }]
      ]
      for (const [status, address, options] of cases) {
        assert.strictEqual(
          (yield* ask(address, options)).status,
          status,
          `${JSON.stringify(options)} ${address.replace(url, "URL/")}`
        )
      }
      const { headers } = yield* ask(url)
      assert.include(headers["content-security-policy"], "default-src 'none'")
      assert.strictEqual(headers["cache-control"], "no-store")
    }).pipe(Effect.scoped)
  )

  it.live("listens on 127.0.0.1 alone, at a port that is asked for, and says when that is taken", () =>
    Effect.gen(function* () {
      const { emulator, port, url } = yield* opened
      assert.strictEqual(new URL(url).hostname, "127.0.0.1")
      const taken = yield* Effect.flip(Console.serve(emulator, { port }))
      assert.strictEqual(taken.message, `cannot listen on port ${port}: choose another`)
      const none = yield* Effect.flip(Console.serve(emulator, { port: 99_999 }))
      assert.strictEqual(none.message, "99999 is not a port: give a number from 1 to 65535")
    }).pipe(Effect.scoped)
  )

  it.live("streams what happens, and goes on from where a page was cut off", () =>
    Effect.gen(function* () {
      const { connect, url } = yield* opened
      const { orders } = yield* race(connect)
      const isThere = (label: string, outcome: string) => (events: Parameters<typeof transactionsOf>[0]) =>
        transactionsOf(events).some((each) => each.label === label && each.outcome === outcome)
      const first = yield* until(url, isThere("orders", "conflict"))
      const lost = transactionsOf(first.events).find(({ outcome }) => outcome === "conflict")
      assert.deepInclude(lost?.conflict, { table: "accounts", key: { id: "7" } })
      yield* say(orders, "SELECT 1")
      const second = yield* until(url, isThere("orders", "committed"), first.id)
      assert.isFalse(transactionsOf(second.events).some(({ id }) => id === lost?.id))
      const state = second.events.find(({ name }) => name === "state")?.data ?? "{}"
      assert.strictEqual(Schema.decodeUnknownSync(Schema.fromJsonString(Message.State))(state).seed, 7)
    }).pipe(Effect.scoped)
  )

  it.live("hangs up when it ends, on who has asked for nothing yet as well", () =>
    Effect.gen(function* () {
      const { emulator } = yield* opened
      const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
      const { port, url } = yield* Scope.provide(Console.serve(emulator), scope)
      // As a browser connects ahead of what it will ask for.
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => connect(port, "127.0.0.1").on("error", () => {})),
        (socket) => Effect.sync(() => socket.destroy())
      )
      yield* Effect.promise(() => once(socket, "connect"))
      // The server takes connections in their order: with the next one's answer it has this one.
      assert.strictEqual((yield* ask(Redacted.value(url))).status, 200)
      assert.strictEqual(socket.readyState, "open")
      const closed = once(socket, "close")
      yield* Scope.close(scope, Exit.void)
      yield* Effect.promise(() => closed)
    }).pipe(Effect.scoped)
  )

  it.live("holds nothing for a page that does not read", () =>
    Effect.gen(function* () {
      const { connect, emulator, url } = yield* opened
      const slow = yield* Effect.acquireRelease(
        Effect.callback<IncomingMessage>((resume) => {
          get(`${url}events`, (response) => resume(Effect.succeed(response.pause()))).on("error", () => {})
        }),
        (response) => Effect.sync(() => response.destroy())
      )
      const client = yield* connect("busy")
      const before = heldBytes()
      for (let n = 0; n < 400; n++) yield* say(client, `SELECT '${"x".repeat(4_000)}'`)
      for (let n = 0; n < 400; n++) yield* say(client, `SELECT '${"y".repeat(4_000)}'`)
      const kept = (yield* emulator.control.transactions()).length
      assert.isAbove(kept, 700)
      // The log has 3 MB of it, the socket what fits: nothing piles up beside them.
      assert.isBelow(heldBytes() - before, 25 * 2 ** 20)
      assert.isTrue(slow.isPaused())
    }).pipe(Effect.scoped)
  )
})
