/**
 * The built site in a real browser: on a desk, on a phone, by day and by night.
 *
 * It needs `pnpm run docs` and Chromium, which `.ci/run` brings where it can.
 */
/* oxlint-disable no-await-in-loop -- a reader has two hands, and does one thing after the other */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import { extname, join } from "node:path"
import { chromium, type Browser, type Page } from "playwright-core"
import { afterAll, beforeAll } from "vitest"
import { executablePath, programs } from "../../test/chromium.ts"
import { root } from "../src/Pages.ts"

const dist = join(root, "site/.vitepress/dist")

const missing = !existsSync(join(dist, "index.html"))
  ? "the site is not built: run `pnpm run docs`"
  : executablePath === undefined
    ? `there is no ${programs.join(", ")} on PATH`
    : undefined
if (missing !== undefined) process.stderr.write(`site/test/browser.test.ts is skipped: ${missing}\n`)

const types: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".svg": "image/svg+xml"
}

const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url ?? "/", "http://127.0.0.1").pathname)
  const file = join(dist, path.endsWith("/") ? `${path}index.html` : path)
  if (!existsSync(file)) return response.writeHead(404).end()
  return response.writeHead(200, { "content-type": types[extname(file)] ?? "text/plain" }).end(readFileSync(file))
})

const desk = { width: 1280, height: 800 }
const phone = { width: 360, height: 740 }

describe.skipIf(missing !== undefined)("the site in a browser", () => {
  let browser: Browser
  let origin: string
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    assert.isTrue(typeof address === "object" && address !== null)
    if (typeof address === "object") origin = `http://127.0.0.1:${address?.port}`
    browser = await chromium.launch({ executablePath: executablePath ?? "", args: ["--no-sandbox"] })
  })
  afterAll(async () => {
    await browser?.close()
    server.close()
  })

  /** Opens a page of the site; gives what went wrong in it, which other hosts it asked among that. */
  const open = async (path: string, options: Parameters<Browser["newPage"]>[0] = { viewport: desk }) => {
    const page = await browser.newPage(options)
    // The run's limit ends what hangs.
    page.setDefaultTimeout(0)
    const complaints: Array<string> = []
    page.on("pageerror", (error) => complaints.push(String(error)))
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()))
    page.on("request", (request) => request.url().startsWith(origin) || complaints.push(request.url()))
    await page.goto(`${origin}${path}`, { waitUntil: "networkidle" })
    return { page, complaints }
  }

  const kinds = [
    "/",
    "/simulator.html",
    "/docs/overview.html",
    "/docs/configuration.html",
    "/packages/core/",
    "/packages/dialect/RULES.html",
    "/api/",
    "/api/core/Transaction.html"
  ]
  it.each(kinds)(
    "%s opens on a phone and on a desk, is no wider than they are, and asks no other host",
    async (path) => {
      const { complaints, page } = await open(path, { viewport: phone })
      assert.isAbove((await page.locator("h1").first().innerText()).length, 3)
      for (const viewport of [phone, desk]) {
        await page.setViewportSize(viewport)
        assert.strictEqual(await page.evaluate("document.documentElement.scrollWidth"), viewport.width)
      }
      assert.deepStrictEqual(complaints, [])
      await page.close()
    }
  )

  it.each(["/docs/overview.html", "/docs/cli.html", "/docs/errors.html"])(
    "%s has no table of up to three columns that a phone must scroll",
    async (path) => {
      const { page } = await open(path, { viewport: phone })
      const tables = await page.locator("table:not(:has(tr > :nth-child(4)))").all()
      assert.isAbove(tables.length, 0)
      for (const table of tables) {
        const widths = ["scrollWidth", "clientWidth"]
        const [inner, outer] = await table.evaluate((it, names) => names.map((name) => Reflect.get(it, name)), widths)
        assert.strictEqual(inner, outer)
      }
      await page.close()
    }
  )

  it.each(["light", "dark"] as const)("wears the reader's %s", async (colorScheme) => {
    const { page } = await open("/docs/overview.html", { viewport: desk, colorScheme })
    assert.strictEqual(await page.locator("html.dark").count(), colorScheme === "dark" ? 1 : 0)
    await page.close()
  })

  it("finds a page by a word that stands in it", async () => {
    const { page } = await open("/")
    await page.locator(".VPNavBarSearch button").first().click()
    await page.locator("#localsearch-input").fill("CommitOutcomeUnknown")
    await page.locator(".results a").first().click()
    await page.locator("main", { hasText: "CommitOutcomeUnknown" }).waitFor()
    assert.notStrictEqual(new URL(page.url()).pathname, "/")
    await page.close()
  })

  /** The figures of a simulator, once they are there and others than before. */
  const figures = async (page: Page, simulator: string, before = "") => {
    const handle = await page.waitForFunction(
      ([name, old]) => {
        // oxlint-disable-next-line no-undef -- runs in the page
        const chart = Reflect.get(globalThis, "document").querySelector(`[data-simulator="${name}"] .chart`)
        const text: string = chart.innerText
        return chart.getAttribute("aria-busy") === "false" && text !== old && text
      },
      [simulator, before] as const
    )
    return String(await handle.jsonValue())
  }

  const simulators = [
    ["contention", { Contenders: "30", "Round trip": "150", Attempts: "1" }],
    ["fleet", { Processes: "30", "Round trip": "150" }]
  ] as const
  it.each(simulators)("the chart of the %s simulator moves with its sliders", async (name, sliders) => {
    const { complaints, page } = await open("/simulator.html", { viewport: phone })
    let before = await figures(page, name)
    for (const [label, value] of Object.entries(sliders)) {
      await page.locator(`[data-simulator="${name}"]`).getByRole("slider", { name: label }).fill(value)
      const after = await figures(page, name, before)
      assert.notStrictEqual(after, before)
      before = after
    }
    assert.deepStrictEqual(complaints, [])
    await page.close()
  })
})
