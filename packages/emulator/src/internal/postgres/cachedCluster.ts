/**
 * A cluster as initdb leaves it, made once and then copied for each server whose data goes with it: to copy it takes a
 * fraction of the time. The cache may be deleted at any time, and what is wrong with it costs time and nothing else.
 */
import { createHash } from "node:crypto"
import { constants } from "node:fs"
import {
  chmod,
  chown,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile
} from "node:fs/promises"
import * as Path from "node:path"
import type { Account } from "./account.ts"
import * as Cache from "./cache.ts"

/** What is to be copied, and how it is made. */
export interface Recipe {
  /** The directory of the cache. */
  readonly place: string
  /** All that decides what the cluster is. */
  readonly ingredients: ReadonlyArray<string>
  /** Whose the files are, if not this process's user's. */
  readonly owner: Account | undefined
  /** Makes it in a new directory, and has it on disk. */
  readonly make: (directory: string) => Promise<void>
}

/** Names what a whole one consists of, and is the last to be written. */
const listFile = "files.json"

/** Milliseconds after which nobody is still making a draft. */
const abandoned = 3_600_000

interface Entry {
  readonly path: string
  /** Bytes; undefined for a directory. */
  readonly size: number | undefined
}

/** The directory for the cache, unless the environment turns it off. */
export const placeOf = (): string | undefined => {
  const chosen = process.env["EFFECT_DSQL_CACHE"]
  return chosen === "off" ? undefined : chosen === undefined || chosen === "" ? Cache.place() : Path.resolve(chosen)
}

/** Copies what a recipe makes into a directory that is there; gives whether it did. */
export const copyInto = async (recipe: Recipe, directory: string): Promise<boolean> => {
  const key = createHash("sha256").update(JSON.stringify(recipe.ingredients)).digest("hex").slice(0, 16)
  const source = Path.join(recipe.place, `${Cache.prefix()}cluster-${key}`)
  try {
    const found = await copied(recipe, source, directory)
    if (found === "copied") return true
    await make(recipe, source, found === "broken")
    return (await copied(recipe, source, directory)) === "copied"
  } catch {
    // No room, no right to write there, or deleted just now.
    return false
  }
}

const make = async ({ make, owner, place }: Recipe, target: string, isBroken: boolean): Promise<void> => {
  await mkdir(place, { recursive: true })
  await removeAbandoned(place)
  const draft = await mkdtemp(`${target}.`)
  try {
    if (isBroken) await rename(target, Path.join(draft, "broken"))
    const directory = Path.join(draft, "whole")
    await mkdir(directory, { mode: 0o700 })
    if (owner !== undefined) await Promise.all([draft, directory].map((made) => chown(made, owner.uid, owner.gid)))
    await make(directory)
    const list = JSON.stringify(await listOf(directory))
    await writeFile(Path.join(directory, listFile), list, { flush: true, mode: 0o600 })
    await rename(directory, target)
  } catch (error) {
    // Another process was first: its own is as good.
    if (!isTaken(error)) throw error
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

const isTaken = (error: unknown): boolean =>
  error instanceof Error && "code" in error && ["ENOTEMPTY", "EEXIST", "EPERM", "ENOENT"].includes(String(error.code))

/** Removes what processes were making that were killed. */
const removeAbandoned = async (place: string): Promise<void> => {
  const drafts = (await readdir(place)).filter(
    (name) => name.startsWith(`${Cache.prefix()}cluster-`) && name.includes(".")
  )
  await Promise.all(
    drafts.map(async (name) => {
      const path = Path.join(place, name)
      const found = await stat(path).catch(() => undefined)
      const isAbandoned = found !== undefined && Date.now() - found.mtimeMs > abandoned
      if (isAbandoned) await rm(path, { recursive: true, force: true })
    })
  )
}

const usersOf = (owner: Account | undefined): ReadonlyArray<number> => (owner === undefined ? [] : [owner.uid])

const listOf = async (directory: string): Promise<ReadonlyArray<Entry>> => {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return Promise.all(
    entries.map(async (entry) => {
      const path = Path.join(entry.parentPath, entry.name)
      const size = entry.isDirectory() ? undefined : (await stat(path)).size
      return { path: Path.relative(directory, path), size }
    })
  )
}

/** Copies a whole one: `missing` is also one that is somebody else's, `broken` one that has lost a part. */
const copied = async (
  { owner }: Recipe,
  source: string,
  directory: string
): Promise<"copied" | "missing" | "broken"> => {
  if (!(await Cache.isOwn(source, ...usersOf(owner)))) return "missing"
  // Written by `make`.
  const list: ReadonlyArray<Entry> | undefined = await readFile(Path.join(source, listFile), "utf8").then(
    JSON.parse,
    () => undefined
  )
  if (list === undefined) return "broken"
  const own = async (path: string, mode: number) => {
    await chmod(path, mode)
    if (owner !== undefined) await chown(path, owner.uid, owner.gid)
  }
  const directories = list.filter(({ size }) => size === undefined).map(({ path }) => Path.join(directory, path))
  await Promise.all(directories.map((path) => mkdir(path, { recursive: true })))
  await Promise.all(directories.map((path) => own(path, 0o700)))
  const whole = await Promise.all(
    list.map(async ({ path, size }) => {
      if (size === undefined) return true
      const to = Path.join(directory, path)
      const failed = await copyFile(Path.join(source, path), to, constants.COPYFILE_FICLONE).catch(() => true)
      if (failed === true || (await stat(to)).size !== size) return false
      await own(to, 0o600)
      return true
    })
  )
  return whole.every(Boolean) ? "copied" : "broken"
}
