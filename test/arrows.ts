/**
 * Which package may import which, bottom to top: a package imports only what stands above it in this table, and of
 * that only what its row names. A test holds the sources against it, and `docs/packages.svg` is drawn from it.
 */
export const arrows: ReadonlyArray<readonly [name: string, mayImport: ReadonlyArray<string>]> = [
  ["dialect", []],
  ["core", ["dialect"]],
  ["schema", ["core", "dialect"]],
  ["persistence", ["core"]],
  ["storage", ["core", "schema"]],
  ["cluster", ["core", "schema"]],
  ["simulator", ["core"]],
  ["emulator", ["dialect"]],
  ["console", ["emulator"]],
  ["testing", ["core", "schema", "emulator"]],
  ["cli", ["schema", "core", "dialect", "cluster", "simulator", "emulator", "console"]]
]
