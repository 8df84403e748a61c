/** This package's own version. Reads one file and imports nothing of this project: `--version` waits for it alone. */
import { readFileSync } from "node:fs"

export const packageVersion = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
  return typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "0.0.0"
}
