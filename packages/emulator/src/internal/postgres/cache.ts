/**
 * Where things are kept that are made once for a user and then reused, and how: a directory appears with all that is in
 * it or not at all, and one that belongs to somebody else is not taken.
 */
import { lstat } from "node:fs/promises"
import { homedir } from "node:os"
import * as Path from "node:path"

/** The directory for what stays. */
export const place = (): string =>
  process.env["XDG_CACHE_HOME"] ?? (process.getuid?.() === 0 ? "/var/cache" : Path.join(homedir(), ".cache"))

/** What a name in it begins with: that of the user's own things. */
export const prefix = (): string => `effect-dsql-${process.getuid?.() ?? 0}-`

/** Whether it is a directory of one of these users, this one if none is named, that nobody else can write to. */
export const isOwn = (path: string, ...users: ReadonlyArray<number>): Promise<boolean> =>
  lstat(path).then(
    (found) =>
      found.isDirectory() &&
      (process.getuid === undefined ||
        ([process.getuid(), ...users].includes(found.uid) && (found.mode & 0o022) === 0)),
    () => false
  )
