/**
 * The public API of all packages beside what is checked in: their reports, and the offences that are known.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Offences from "./Offences.ts"
import * as Package from "./Package.ts"
import * as Report from "./Report.ts"

/** What the declarations say, and the directory that `packages/` and `api/` stand in. */
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

/** What is wrong with what is checked in, a line each. */
export const complaints = (self: Surfaces): ReadonlyArray<string> => [
  ...[...self.reports]
    .filter(([path, text]) => checkedIn(self, path) !== text)
    .map(([path]) => `${path} is not what the package exports: run pnpm api, and review what it changes`),
  ...unknown(self),
  ...known(self)
    .filter((offence) => !self.offences.includes(offence))
    .map((offence) => `${list} has what is mended: run pnpm api, which takes out "${offence}"`)
]

/** Writes the reports, and takes out of the known offences what is mended. Gives what no writing mends. */
export const write = (self: Surfaces): ReadonlyArray<string> => {
  for (const [path, text] of self.reports) writeFileSync(join(self.root, path), text)
  const left = known(self).filter((offence) => self.offences.includes(offence))
  writeFileSync(join(self.root, list), left.map((offence) => `${offence}\n`).join(""))
  return unknown(self)
}

/** Offences that were there before they were forbidden. Lines only ever go. */
const list = "api/known-offences.txt"

const known = (self: Surfaces): ReadonlyArray<string> => checkedIn(self, list).split("\n").filter(Boolean)

const unknown = (self: Surfaces): ReadonlyArray<string> => {
  const before = known(self)
  return self.offences.filter((offence) => !before.includes(offence))
}

const checkedIn = ({ root }: Surfaces, path: string): string => {
  const file = join(root, path)
  return existsSync(file) ? readFileSync(file, "utf8") : ""
}
