/**
 * The public API of all packages: their reports, beside those that are checked in, and their offences.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Offences from "./Offences.ts"
import * as Package from "./Package.ts"
import * as Report from "./Report.ts"

/** What the declarations say, and the directory that `packages/` stands in. */
export interface Surfaces {
  readonly root: string
  /** By path from the root. */
  readonly reports: ReadonlyMap<string, string>
  readonly offences: ReadonlyArray<string>
}

export const read = async (root: string): Promise<Surfaces> => {
  const directories = readdirSync(join(root, "packages")).toSorted()
  const packages = directories.map((name) => Package.read(join(root, "packages", name)))
  const pages = await Promise.all(packages.map(Report.markdown))
  return {
    root,
    reports: new Map(pages.map((page, index) => [`packages/${directories[index]}/API.md`, page])),
    offences: packages.flatMap(Offences.of)
  }
}

/** What is wrong with the API and what is checked in of it, a line each. */
export const complaints = (self: Surfaces): ReadonlyArray<string> => [
  ...[...self.reports]
    .filter(([path, text]) => checkedIn(self, path) !== text)
    .map(([path]) => `${path} is not what the package exports: run pnpm api, and review what it changes`),
  ...self.offences
]

/** Writes the reports. */
export const write = (self: Surfaces): void => {
  for (const [path, text] of self.reports) writeFileSync(join(self.root, path), text)
}

const checkedIn = ({ root }: Surfaces, path: string): string => {
  const file = join(root, path)
  return existsSync(file) ? readFileSync(file, "utf8") : ""
}
