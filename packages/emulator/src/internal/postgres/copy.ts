/**
 * A copy of PostgreSQL's programs that everybody can run, made once for a user and a version and then reused.
 *
 * It appears with all its files or not at all. One that a cleaner of temporary files has thinned out is made again, and
 * one that belongs to somebody else is not run: whoever owns a program decides what it does.
 */
import { constants } from "node:fs"
import { access, chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from "node:fs/promises"
import * as Path from "node:path"
import { isOwn, prefix } from "./cache.ts"

interface Link {
  readonly at: string
  readonly to: string
}

/** The links that the package's install script makes, npm having none: both ends below the directory. */
const linksOf = async (native: string): Promise<ReadonlyArray<Link>> => {
  const file = Path.join(native, "pg-symlinks.json")
  // Written by the package; paths begin with the directory's own name.
  const listed: ReadonlyArray<{ readonly source: string; readonly target: string }> = await readFile(file, "utf8").then(
    JSON.parse,
    () => []
  )
  return listed.map(({ source, target }) => ({
    at: Path.relative("native", target),
    to: Path.relative(Path.dirname(target), source)
  }))
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false
  )

/** Whether the package's install script has run. */
export const isLinked = async (native: string): Promise<boolean> => {
  const found = await Promise.all((await linksOf(native)).map(({ at }) => exists(Path.join(native, at))))
  return found.every(Boolean)
}

/** The name and version of the package that programs come from. */
export const versionOf = async (native: string): Promise<string> => {
  const { name, version } = JSON.parse(await readFile(Path.join(native, "..", "package.json"), "utf8"))
  return `${name}@${version}`
}

/** Copies the programs into a directory of their own below `place`, unless they are there, and returns it. */
export const copy = async (native: string, place: string): Promise<string> => {
  const { name, version } = JSON.parse(await readFile(Path.join(native, "..", "package.json"), "utf8"))
  const machine = Path.basename(String(name))
  const target = Path.join(place, `${prefix()}postgresql-${version}-${machine}`)
  if (await isWhole(native, target)) return target
  await mkdir(place, { recursive: true })
  const draft = await mkdtemp(`${target}.`)
  try {
    await fill(native, draft)
    await publish(native, draft, target)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return target
}

// Modes are set because a umask may have closed the package to others, and would close the copy.
const fill = async (native: string, draft: string) => {
  const entries = (await readdir(native, { recursive: true, withFileTypes: true })).map((entry) => {
    const from = Path.join(entry.parentPath, entry.name)
    return { entry, from, to: Path.join(draft, Path.relative(native, from)) }
  })
  const directories = [draft, ...entries.filter(({ entry }) => entry.isDirectory()).map(({ to }) => to)]
  await Promise.all(directories.map((directory) => mkdir(directory, { recursive: true })))
  await Promise.all(directories.map((directory) => chmod(directory, 0o755)))
  await Promise.all(
    entries
      .filter(({ entry }) => entry.isFile())
      .map(async ({ entry, from, to }) => {
        await copyFile(from, to, constants.COPYFILE_FICLONE)
        await chmod(to, Path.basename(entry.parentPath) === "bin" ? 0o755 : 0o644)
      })
  )
  await Promise.all((await linksOf(native)).map(({ at, to }) => symlink(to, Path.join(draft, at))))
}

const publish = async (native: string, draft: string, target: string) => {
  try {
    await rename(draft, target)
  } catch (error) {
    // Another process was first.
    if (await isWhole(native, target)) return
    if (!(await isOwn(target))) throw error
    const old = `${draft}.old`
    await rename(target, old)
    await rename(draft, target)
    await rm(old, { recursive: true, force: true })
  }
}

const isWhole = async (native: string, target: string): Promise<boolean> => {
  if (!(await isOwn(target))) return false
  const [wanted, found, links] = await Promise.all([
    readdir(native, { recursive: true }),
    readdir(target, { recursive: true }),
    linksOf(native)
  ])
  const names = new Set(found)
  return [...wanted, ...links.map(({ at }) => at)].every((name) => names.has(name))
}
