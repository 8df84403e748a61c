import { Chart, Contention, Policies, Table } from "@effect-dsql/simulator"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const outcomes = Effect.forEach([2, 5], (contenders) =>
  Effect.forEach(Policies.all, (policy) => Contention.simulate({ ...Contention.scenario, contenders, runs: 2 }, policy))
).pipe(Effect.map((all) => all.flat()))

interface Text {
  readonly content: string
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

/** Texts where they stand, as wide as a wide font makes them. */
const textsOf = (svg: string): ReadonlyArray<Text> =>
  [...svg.matchAll(/<text x="([\d.-]+)" y="([\d.-]+)" text-anchor="(\w+)"(?: class="(\w+)")?>([^<]*)<\/text>/g)].map(
    ([, x, y, anchor, name, content = ""]) => {
      const size = name === "title" ? 12.5 : name === "caption" ? 9 : 11
      const width = content.length * size * 0.62
      const left = Number(x) - (anchor === "end" ? width : anchor === "middle" ? width / 2 : 0)
      return { content, left, right: left + width, top: Number(y) - 0.8 * size, bottom: Number(y) + 0.2 * size }
    }
  )

const collisions = (svg: string): ReadonlyArray<string> => {
  const texts = textsOf(svg)
  assert.isNotEmpty(texts)
  const [, width = "", height = ""] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg) ?? []
  const outside = texts
    .filter(({ bottom, left, right, top }) => left < 0 || top < 0 || right > Number(width) || bottom > Number(height))
    .map(({ content }) => `${content} is outside`)
  const upon = texts.flatMap((one, index) =>
    texts
      .slice(index + 1)
      .filter(
        (other) => one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom
      )
      .map((other) => `${one.content} / ${other.content}`)
  )
  return outside.concat(upon)
}

/** How many hundredths commit, and by when, of each policy. */
const manyShapes: ReadonlyArray<readonly [string, ReadonlyArray<readonly [share: number, finish: number]>]> = [
  [
    "all at the top",
    [
      [100, 80],
      [100, 81],
      [100, 82],
      [100, 83],
      [100, 84]
    ]
  ],
  [
    "all at the bottom",
    [
      [1, 80],
      [2, 8_000],
      [1, 300_000],
      [0, 90],
      [3, 85]
    ]
  ],
  [
    "all in the middle",
    [
      [50, 1_000],
      [51, 1_000],
      [50, 1_000],
      [49, 999],
      [50, 1_001]
    ]
  ],
  [
    "within one time",
    [
      [100, 120],
      [99, 121],
      [1, 119],
      [50, 120],
      [100, 120]
    ]
  ],
  [
    "over many times",
    [
      [100, 2],
      [99, 900],
      [1, 33_000],
      [50, 1_200_000],
      [0, 3_600_000]
    ]
  ]
]

/** What made a picture. */
const caption = ["pnpm bench --chart contention, 2026-11-29", "two processors", "three versions"]

describe("the outcomes of a simulation", () => {
  it.effect("are a table with a line for each", () =>
    Effect.gen(function* () {
      const all = yield* outcomes
      const [titles, ...lines] = Table.render(all).split("\n")
      assert.match(titles ?? "", /^policy +contenders +processes +gave up/)
      assert.lengthOf(lines, all.length)
      for (const [index, line] of lines.entries()) {
        assert.strictEqual(line.split(" ", 1)[0], all[index]?.policy)
        assert.strictEqual(line.length, titles?.length)
      }
    })
  )

  it.effect("are a picture with a panel for each scenario, and a line and a name in it for each policy", () =>
    Effect.gen(function* () {
      const all = yield* outcomes
      const svg = Chart.render(all)
      const texts = textsOf(svg).map(({ content }) => content)
      assert.includeMembers(texts, ["2 contenders on one process", "5 contenders on one process"])
      for (const { name } of Policies.all)
        assert.lengthOf(
          texts.filter((text) => text === name),
          2
        )
      assert.notInclude(svg, "NaN")
      assert.isTrue(svg.startsWith("<svg ") && svg.endsWith("</svg>\n"))
      // Who does not see colours has dashes and markers: no two policies have the same.
      const dashes = [...svg.matchAll(/<path class="line" d="M[^"]+h20"( stroke-dasharray="[^"]+")?\/>/g)].map(
        ([, dash = ""]) => dash
      )
      assert.strictEqual(new Set(dashes).size, Policies.all.length)
    })
  )

  it.effect.each(manyShapes)("are a picture in which no text lies upon another or outside: %s", ([, shares]) =>
    Effect.gen(function* () {
      const [outcome] = yield* outcomes
      assert.isDefined(outcome)
      const svg = Chart.render(
        [1, 100].flatMap((processes) =>
          shares.map(([share, finish], index) => ({
            ...outcome,
            processes,
            policy: Policies.all[index]?.name ?? `another-${index}`,
            contenders: 10_000,
            finish,
            committedAfter: Array.from({ length: share }, (_, place) => (finish * (place + 1)) / share)
          }))
        ),
        caption
      )
      assert.deepStrictEqual(collisions(svg), [])
      assert.includeMembers(
        textsOf(svg).map(({ content }) => content),
        [...caption]
      )
    })
  )

  it("has a test of pictures that sees two texts that lie upon each other, and one that is outside", () => {
    const svg = (x: number) =>
      `<svg viewBox="0 0 400 100"><text x="10" y="20" text-anchor="start">one</text><text x="${x}" y="24" text-anchor="start">two</text></svg>`
    assert.deepStrictEqual(collisions(svg(100)), [])
    assert.deepStrictEqual(collisions(svg(15)), ["one / two"])
    assert.deepStrictEqual(collisions(svg(395)), ["two is outside"])
  })

  it.effect("are still both where nobody committed, and where a name looks like markup", () =>
    Effect.gen(function* () {
      const [outcome] = yield* outcomes
      assert.isDefined(outcome)
      const nobody = { ...outcome, policy: "a<b&c", committed: 0, p50: Number.NaN, p99: Number.NaN }
      assert.notInclude(Chart.render([nobody]), "NaN")
      assert.include(Chart.render([nobody]), "a&lt;b&amp;c")
      assert.notInclude(Table.render([nobody]), "NaN")
    })
  )
})
