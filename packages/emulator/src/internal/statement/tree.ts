/**
 * Reads a parse tree without trusting its shape.
 */
export type Tree = Readonly<Record<string, unknown>>

export const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null

export const field = (value: unknown, ...path: ReadonlyArray<string | number>): unknown =>
  path.reduce<unknown>((at, key) => (isTree(at) ? at[key] : undefined), value)

export const string = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

export const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** Visits every object of a tree with the name of the field that holds it. */
export const visit = (root: unknown, onNode: (node: Tree, name: string) => void): void => {
  const pending: Array<readonly [unknown, string]> = [[root, ""]]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [value, name] = next
    if (Array.isArray(value)) for (const item of value) pending.push([item, name])
    else if (isTree(value)) {
      onNode(value, name)
      for (const key in value) pending.push([value[key], key])
    }
  }
}
