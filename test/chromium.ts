/**
 * The browser that pages are looked at with: Chromium, which `.ci/run` brings where it can. The one without a window does
 * for a page what the other one does, and takes two thirds of its time.
 */
import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"

/** What it is called, where it has no window first. */
export const programs = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]

/** Where it is; undefined where it is not. */
export const executablePath = programs
  .flatMap((program) => (process.env["PATH"] ?? "").split(delimiter).map((directory) => join(directory, program)))
  .find((path) => existsSync(path))
