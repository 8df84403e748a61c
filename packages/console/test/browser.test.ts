/**
 * The page in a real browser. It needs Chromium, which `.ci/run` brings where it can; the page is built for it.
 *
 * `PICTURES=docs/pictures` draws the pictures of the documents anew.
 */
/* oxlint-disable no-await-in-loop -- a reader has two hands, and does one thing after the other */
import { assert, describe, it } from "@effect/vitest"
import { Console } from "@effect-dsql/console"
import { Effect, Exit, Redacted, Scope } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { type Browser, chromium, type Page } from "playwright-core"
import { build } from "vite"
import { afterAll, beforeAll } from "vitest"
import { executablePath, programs } from "../../../test/chromium.ts"
import { close, opened, race, say, withdraw } from "./race.ts"

if (executablePath === undefined) {
  process.stderr.write(`packages/console/test/browser.test.ts is skipped: there is no ${programs.join(", ")} on PATH\n`)
}

const root = fileURLToPath(new URL("../", import.meta.url))
const pictures = process.env["PICTURES"]

const desk = { width: 1280, height: 800 }
const phone = { width: 360, height: 740 }

const run = <A>(promise: () => Promise<A>) => Effect.promise(promise)

describe.skipIf(executablePath === undefined)("the page in a browser", () => {
  let browser: Browser
  beforeAll(async () => {
    await build({ root: join(root, "page"), configFile: join(root, "page/vite.config.ts"), logLevel: "error" })
    browser = await chromium.launch({ executablePath: executablePath ?? "", args: ["--no-sandbox"] })
  })
  afterAll(() => browser?.close())

  /** Opens the page, in which something runs before; gives what went wrong in it, and which other hosts it asked. */
  const open = (url: string, options: Parameters<Browser["newPage"]>[0] = { viewport: desk }, before = "") =>
    Effect.acquireRelease(
      run(async () => {
        const page = await browser.newPage(options)
        // The run's limit ends what hangs.
        page.setDefaultTimeout(0)
        await page.addInitScript(before)
        const complaints: Array<string> = []
        page.on("pageerror", (error) => complaints.push(String(error)))
        page.on("console", (message) => message.type() === "error" && complaints.push(message.text()))
        page.on("request", (request) => request.url().startsWith(new URL(url).origin) || complaints.push(request.url()))
        await page.goto(url)
        await page.locator(".live.on").waitFor()
        return { page, complaints }
      }),
      ({ page }) => run(() => page.close())
    )

  /** Selects the last transaction with the keyboard, and goes back to the one that has this outcome. */
  const select = (page: Page, outcome: string) =>
    run(async () => {
      await page.locator(".numbers", { hasText: `1 ${outcome}` }).waitFor()
      await page.locator("canvas").focus()
      const details = page.locator(`.details:has(.sign.${outcome})`)
      for (let n = 0; n < 50 && (await details.count()) === 0; n++) await page.keyboard.press("ArrowLeft")
      return details
    })

  it.live("shows who lost to whom, on which row, with both statements, and the attempt that won", () =>
    Effect.gen(function* () {
      const { connect, url } = yield* opened
      const { complaints, page } = yield* open(url)
      assert.strictEqual((yield* race(connect)).lost, "40001")
      yield* run(() => page.locator("canvas").waitFor())
      yield* run(() => page.locator(".rows li", { hasText: "accounts id=7" }).waitFor())
      const details = yield* select(page, "conflict")
      const text = yield* run(() => details.locator(".met").innerText())
      const said = text.replaceAll(/\s+/g, " ")
      assert.match(said, /^OC000 on accounts id=7 #\d+ billing committed first: /)
      assert.isTrue(said.endsWith(`committed first: ${close} This one had: ${withdraw}`), said)
      // The arrow's other end is one click away, and so is the attempt that won.
      yield* run(() => details.locator(".met .link").click())
      assert.match(yield* run(() => page.locator(".details h2").innerText()), /billing$/)
      yield* select(page, "conflict")
      yield* run(() => page.locator(".attempts button", { hasText: "●" }).click())
      yield* run(() => page.locator(".details .sign.committed").waitFor())
      assert.match(yield* run(() => page.locator(".attempts").innerText()), /attempt 2/)
      assert.deepStrictEqual(complaints, [])
    }).pipe(Effect.scoped)
  )

  it.live("draws the arrow from the winner's COMMIT to the loser's", () =>
    Effect.gen(function* () {
      const { connect, url } = yield* opened
      yield* race(connect)
      const { page } = yield* open(url)
      yield* run(() => page.locator(".rows li").first().waitFor())
      yield* run(() => page.locator("canvas").focus())
      // However little is seen, who is selected is shown with whom it met.
      for (let n = 0; n < 12; n++) yield* run(() => page.keyboard.press("+"))
      const details = yield* select(page, "conflict")
      yield* run(() => details.waitFor())
      // The colour of a conflict stands between the two lanes, where nothing else is drawn.
      const isThere = yield* run(async () => {
        const handle = await page.waitForFunction(() => {
          const canvas = Reflect.get(globalThis, "document").querySelector("canvas")
          const context = canvas.getContext("2d")
          const ratio = canvas.width / canvas.clientWidth
          // Below the lanes of billing, above those of orders.
          const { data } = context.getImageData(0, Math.round(102 * ratio), canvas.width, 1)
          for (let i = 0; i < data.length; i += 4)
            if (data[i] > 180 && data[i + 1] < 120 && data[i + 2] < 140) return true
          return false
        })
        return await handle.jsonValue()
      })
      assert.isTrue(isThere)
    }).pipe(Effect.scoped)
  )

  it.live("looks at nothing else where one zooms and moves before there is a picture", () =>
    Effect.gen(function* () {
      const { connect, url } = yield* opened
      yield* race(connect)
      // The size of what is to be painted is told when the test says so.
      const late = `ResizeObserver = class {
        constructor(tell) { globalThis.tell = tell }
        observe() {}
        disconnect() {}
      }`
      const { page } = yield* open(url, { viewport: desk }, late)
      yield* run(() => page.locator(".rows li").first().waitFor())
      for (const key of ["+", "-", "PageUp", "ArrowLeft"]) yield* run(() => page.locator("canvas").press(key))
      yield* run(() => page.locator("canvas").dispatchEvent("wheel", { deltaX: 30 }))
      yield* run(() => page.evaluate("tell()"))
      const view = page.locator("canvas[data-view]")
      yield* run(() => view.waitFor())
      const [from = NaN, to = NaN] = String(yield* run(() => view.getAttribute("data-view")))
        .split(" ")
        .map(Number)
      // The last transactions, of which the race has been a part within the minute.
      assert.isAbove(to, from)
      assert.isBelow(Math.abs(to - Date.now()), 60_000)
    }).pipe(Effect.scoped)
  )

  it.live("goes on following what happens where what is selected is in view", () =>
    Effect.gen(function* () {
      const { connect, url } = yield* opened
      const { page } = yield* open(url)
      const client = yield* connect("orders")
      // A transaction that stays open, and nothing else: what is seen ends with this very moment.
      yield* say(client, "BEGIN")
      yield* say(client, "SELECT 1")
      yield* run(() => page.locator(".numbers", { hasText: "1 transaction" }).waitFor())
      yield* run(() => page.locator("canvas").press("ArrowLeft"))
      yield* run(() => page.locator(".details").waitFor())
      /** What is seen, once what was asked for is painted. */
      const seen = run(async () => {
        for (let n = 0; n < 3; n++) await page.evaluate("new Promise(requestAnimationFrame)")
        return await page.locator("canvas").getAttribute("data-view")
      })
      const before = yield* seen
      assert.notStrictEqual(yield* seen, before)
    }).pipe(Effect.scoped)
  )

  it.live("has fault buttons that do what they say, and name the command line that does the same", () =>
    Effect.gen(function* () {
      const { connect, emulator, url } = yield* opened
      const { complaints, page } = yield* open(url)
      const client = yield* connect("orders")
      yield* say(client, "CREATE TABLE t (id int PRIMARY KEY)")
      yield* run(() => page.getByRole("tab", { name: "Faults" }).click())
      const press = (name: string) =>
        run(async () => {
          await page.getByRole("button", { name, exact: true }).click()
          await page.locator(".panel [role=status]", { hasText: `${name}: asked for` }).waitFor()
        })
      yield* press("Conflict")
      assert.deepStrictEqual(
        [yield* say(client, "INSERT INTO t VALUES (1)"), yield* say(client, "INSERT INTO t VALUES (1)")],
        ["40001", undefined]
      )
      yield* press("Unavailable")
      assert.deepStrictEqual([yield* say(client, "SELECT 1"), yield* say(client, "SELECT 1")], ["XX000", undefined])
      yield* press("Cut after COMMIT")
      assert.notStrictEqual(yield* say(client, "INSERT INTO t VALUES (2)"), undefined)
      const other = yield* connect("orders")
      assert.strictEqual(yield* say(other, "INSERT INTO t VALUES (2)"), "23505")
      assert.deepStrictEqual(yield* emulator.control.happened, {
        "conflict@commit": 1,
        "unavailable@statement": 1,
        "cut-after@commit": 1
      })
      // What a program asked for a label of its own goes with what the page asked for everybody.
      yield* emulator.control.latency(60_000, "slow")
      yield* press("No more faults")
      const slow = yield* connect("slow")
      assert.strictEqual(yield* say(slow, "SELECT 1"), undefined)
      const commands = yield* run(() => page.locator(".faults code").allInnerTexts())
      assert.include(commands, "effect-dsql dev --fault conflict@commit:10% --seed 7")
      assert.deepStrictEqual(complaints, [])
    }).pipe(Effect.scoped)
  )

  it.live("zooms in where two fingers part, and out where they meet, and lets one finger move what is seen", () =>
    Effect.gen(function* () {
      const { connect, url } = yield* opened
      yield* race(connect)
      const { complaints, page } = yield* open(url, { viewport: phone, hasTouch: true, isMobile: true })
      yield* run(() => page.locator(".rows li").first().waitFor())
      const box = yield* run(() => page.locator("canvas").boundingBox())
      assert.isNotNull(box)
      const y = (box?.y ?? 0) + 30
      const middle = phone.width / 2
      const client = yield* run(() => page.context().newCDPSession(page))
      const touch = (type: "touchStart" | "touchMove" | "touchEnd", ...places: ReadonlyArray<number>) =>
        run(() => client.send("Input.dispatchTouchEvent", { type, touchPoints: places.map((x, id) => ({ x, y, id })) }))
      /** How many milliseconds are seen, and which one is in the middle. */
      const seen = run(() =>
        page.locator("canvas").evaluate((canvas) => {
          const [from = 0, to = 0] = (canvas.dataset["view"] ?? "").split(" ").map(Number)
          return { span: to - from, middle: (from + to) / 2 }
        })
      )
      const pinch = Effect.fnUntraced(function* (before: number, after: number) {
        yield* touch("touchStart", middle - before, middle + before)
        yield* touch("touchMove", middle - after, middle + after)
        yield* touch("touchEnd")
        yield* run(() => page.evaluate("new Promise(requestAnimationFrame)"))
        return yield* seen
      })
      const first = yield* pinch(40, 40)
      const near = yield* pinch(40, 80)
      assert.closeTo(near.span, first.span / 2, first.span / 20)
      assert.closeTo(near.middle, first.middle, first.span / 20)
      const far = yield* pinch(80, 40)
      assert.closeTo(far.span, first.span, first.span / 10)
      yield* touch("touchStart", middle)
      yield* touch("touchMove", middle + 90)
      yield* touch("touchEnd")
      yield* run(() => page.evaluate("new Promise(requestAnimationFrame)"))
      const moved = yield* seen
      assert.closeTo(moved.span, far.span, far.span / 20)
      assert.closeTo(moved.middle, far.middle - (90 / phone.width) * far.span, far.span / 20)
      // Fingers select nothing, nor does the page itself become larger.
      assert.strictEqual(yield* run(() => page.locator(".details").count()), 0)
      assert.strictEqual(yield* run(() => page.evaluate("visualViewport.scale")), 1)
      assert.deepStrictEqual(complaints, [])
    }).pipe(Effect.scoped)
  )

  it.live("says how to write what was refused, and what everything costs", () =>
    Effect.gen(function* () {
      const { connect, url } = yield* opened
      const { page } = yield* open(url)
      const client = yield* connect("orders")
      yield* say(client, "CREATE TABLE t (id int PRIMARY KEY, n int)")
      yield* say(client, "INSERT INTO t VALUES ($1, $2)", [1, 4_242_424])
      yield* say(client, "CREATE TEMPORARY TABLE u (id int)")
      yield* run(() => page.getByRole("tab", { name: "Refused" }).click())
      const refused = yield* run(() => page.locator(".refused li").innerText())
      assert.include(refused, "Write it so:")
      assert.include(refused, "temporary-table")
      yield* run(() => page.getByRole("tab", { name: "Cost" }).click())
      yield* run(() => page.locator("td", { hasText: "INSERT INTO t" }).waitFor())
      assert.include(yield* run(() => page.locator(".panel").innerText()), "Compute DPU")
      assert.match(yield* run(() => page.locator("caption").first().innerText()), /^orders: [\d.]+ DPU, 3 round trips$/)
      assert.notInclude(yield* run(() => page.content()), "4242424")
    }).pipe(Effect.scoped)
  )

  it.live("says that parameters are kept, whoever asked for it, also after it was loaded again", () =>
    Effect.gen(function* () {
      const { emulator, url } = yield* opened
      const { page } = yield* open(url)
      const box = (on: Page) => on.getByRole("checkbox", { name: "keep parameters" })
      // It shows what dev has been told, a moment after the click.
      yield* run(() => box(page).click())
      yield* run(() => page.locator("input:checked").waitFor())
      assert.isTrue(yield* emulator.control.keepsParameters)
      yield* run(() => page.reload())
      yield* run(() => page.locator("input:checked").waitFor())
      const { page: other } = yield* open(url)
      yield* run(() => other.locator("input:checked").waitFor())
      yield* run(() => box(other).click())
      yield* run(() => page.locator("input:not(:checked)").waitFor())
      assert.isFalse(yield* emulator.control.keepsParameters)
    }).pipe(Effect.scoped)
  )

  it.live("says what to do when its dev has ended, and when another one is at its port", () =>
    Effect.gen(function* () {
      const { connect, emulator } = yield* opened
      yield* race(connect)
      const scope = yield* Scope.make()
      const served = yield* Scope.provide(Console.serve(emulator), scope)
      const { page } = yield* open(Redacted.value(served.url))
      yield* run(() => page.locator(".rows li").first().waitFor())
      yield* Scope.close(scope, Exit.void)
      yield* run(() => page.getByRole("alert").getByText("dev has ended").waitFor())
      yield* run(() => page.getByRole("tab", { name: "Faults" }).click())
      yield* run(() => page.getByRole("button", { name: "Conflict", exact: true }).click())
      yield* run(() => page.locator(".said", { hasText: "did not take it" }).waitFor())
      yield* Console.serve(emulator, { port: served.port })
      yield* run(() => page.getByRole("alert").getByText("Open the address that the new one printed").waitFor())
      // What it showed is still there.
      assert.include(yield* run(() => page.locator(".numbers").innerText()), "1 conflict")
    }).pipe(Effect.scoped)
  )

  it.live("shows what clients say as text, whatever is in it, and the lanes of what is seen alone", () =>
    Effect.gen(function* () {
      const { connect, emulator, url } = yield* opened
      for (let n = 0; n < 40; n++) {
        const client = yield* connect(`worker ${n}`)
        yield* say(client, "SELECT 1")
      }
      const evil = "<img src=x onerror=alert(1)>\u202Egnp"
      const client = yield* connect(evil)
      yield* say(client, 'CREATE TEMPORARY TABLE "<script>alert(1)</script>" (id int)')
      const { complaints, page } = yield* open(url, { viewport: phone })
      page.on("dialog", () => complaints.push("a dialog"))
      yield* run(() => page.getByRole("tab", { name: "Hot keys" }).press("ArrowRight"))
      const refused = yield* run(() => page.locator(".refused").innerText())
      assert.include(refused, "<script>alert(1)</script>")
      assert.include(refused, "<img src=x onerror=alert(1)>�gnp")
      yield* run(() => page.locator(".filters select").nth(0).selectOption({ label: "worker 7" }))
      yield* run(() => page.locator(".filters select").nth(2).selectOption("=conflict"))
      yield* run(() => page.locator(".none").waitFor())
      assert.strictEqual(yield* run(() => page.evaluate("document.documentElement.scrollWidth")), phone.width)
      assert.isAbove((yield* emulator.control.transactions()).length, 40)
      assert.deepStrictEqual(complaints, [])
    }).pipe(Effect.scoped)
  )

  it.live("fits a phone and a desk, by day and by night", () =>
    Effect.gen(function* () {
      const { connect, url } = yield* opened
      yield* race(connect)
      for (const colorScheme of ["light", "dark"] as const) {
        const { complaints, page } = yield* open(url, { viewport: phone, colorScheme })
        yield* run(() => page.locator(".rows li").first().waitFor())
        yield* select(page, "conflict")
        for (const viewport of [phone, desk]) {
          yield* run(() => page.setViewportSize(viewport))
          assert.strictEqual(yield* run(() => page.evaluate("document.documentElement.scrollWidth")), viewport.width)
        }
        if (pictures !== undefined) {
          yield* run(() => page.setViewportSize({ width: 1100, height: 660 }))
          yield* run(() => page.locator("canvas").blur())
          yield* run(() => page.evaluate("new Promise((done) => setTimeout(done, 300))"))
          yield* run(() => page.screenshot({ path: join(pictures, `console-${colorScheme}.png`) }))
        }
        assert.deepStrictEqual(complaints, [])
      }
    }).pipe(Effect.scoped)
  )

  it.live("stays smooth in bounded memory with 10,000 transactions and more", () =>
    Effect.gen(function* () {
      const { connect, emulator, url } = yield* opened
      const clients = yield* Effect.forEach(Array.from({ length: 8 }), (_, n) => connect(`worker ${n % 4}`), {
        concurrency: 8
      })
      // They are read by the server's own parser once, and run together.
      const batch = Array.from({ length: 500 }, () => "BEGIN; SELECT 1; COMMIT").join("; ")
      yield* Effect.forEach(clients, (client) => Effect.forEach([1, 2, 3], () => say(client, batch)), {
        concurrency: 8
      })
      assert.isAbove((yield* emulator.control.transactions()).length, 10_000)
      const { page } = yield* open(url)
      yield* run(() => page.locator(".numbers b", { hasText: "10,000" }).first().waitFor())
      const times = yield* run(() =>
        page.evaluate<Array<number>>(`new Promise((done) => {
          const times = []
          let last = performance.now()
          const canvas = document.querySelector("canvas")
          const frame = (now) => {
            times.push(now - last)
            last = now
            canvas.dispatchEvent(new WheelEvent("wheel", { deltaX: times.length % 2 ? 40 : -40, ctrlKey: times.length % 3 === 0, deltaY: 30, bubbles: true, cancelable: true }))
            times.length < 120 ? requestAnimationFrame(frame) : done(times)
          }
          requestAnimationFrame(frame)
        })`)
      )
      const sorted = times.slice(10).toSorted((a, b) => a - b)
      const [median = 0, p95 = 0] = [sorted[Math.floor(sorted.length / 2)], sorted[Math.floor(sorted.length * 0.95)]]
      process.stderr.write(
        `10,000 transactions: median frame ${median.toFixed(1)} ms, 95th percentile ${p95.toFixed(1)} ms\n`
      )
      // Headless Chromium paints without a graphics card; a frame that takes a quarter of a second would be seen as a halt.
      assert.isBelow(median, 250)
      const heap = yield* run(() => page.evaluate<number>("performance.memory.usedJSHeapSize"))
      assert.isBelow(heap, 150 * 2 ** 20)
    }).pipe(Effect.scoped)
  )

  it("is smaller than 150 KiB as it is sent, and asks nobody else for anything", () => {
    const files = ["index.html", "page.js", "page.css"].map((name) => readFileSync(join(root, "dist/page", name)))
    assert.isBelow(
      files.reduce((total, bytes) => total + gzipSync(bytes).length, 0),
      150 * 1024
    )
    assert.notMatch(files.map(String).join("\n"), /(?:src|href)="https?:|url\(["']?https?:|@import/)
  })
})
