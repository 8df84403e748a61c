/**
 * The colours of the canvas, which are those of the page's style, and the sign that each outcome has besides.
 */
import type { Outcome } from "@effect-dsql/emulator/Watch"

export interface Palette {
  readonly text: string
  readonly muted: string
  readonly line: string
  readonly band: string
  readonly surface: string
  readonly accent: string
  readonly outcomes: Readonly<Record<Outcome, string>>
}

/** Reads the palette that holds now, by day or by night. */
export const readPalette = (): Palette => {
  const style = getComputedStyle(document.documentElement)
  const read = (name: string) => style.getPropertyValue(`--${name}`).trim()
  return {
    text: read("text"),
    muted: read("muted"),
    line: read("line"),
    band: read("band"),
    surface: read("surface"),
    accent: read("accent"),
    outcomes: {
      open: read("open"),
      committed: read("committed"),
      "rolled back": read("rolled-back"),
      conflict: read("conflict"),
      failed: read("failed"),
      cut: read("cut")
    }
  }
}

/** Readable without colour: the sign at the end of a lane. */
export const signs: Readonly<Record<Outcome, string>> = {
  open: "…",
  committed: "●",
  "rolled back": "○",
  conflict: "✕",
  failed: "■",
  cut: "⌁"
}
