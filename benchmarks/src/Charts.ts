/**
 * The pictures of `docs/performance.md`, drawn where they are asked for (`--chart`), each with the machine, the versions
 * and the command that made it.
 */
import { Console, Context, Effect } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { arch, availableParallelism, cpus, platform, totalmem } from "node:os"

/** Whether pictures are drawn. */
export const Wanted = Context.Reference<boolean>("benchmarks/Charts/Wanted", { defaultValue: () => false })

const versionOf = (name: string): string => {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  const manifest: { readonly version: string } = JSON.parse(readFileSync(file, "utf8"))
  return `${name} ${manifest.version}`
}

/** What made a picture, in lines: the command, what it ran on, and the versions of what is compared. */
const caption = (name: string, compared: ReadonlyArray<string>): ReadonlyArray<string> => {
  const model = cpus()[0]?.model.replaceAll(/\s+/g, " ").trim() ?? "unknown"
  const memory = Math.round(totalmem() / 2 ** 30)
  return [
    `pnpm bench --chart ${name}, ${new Date().toISOString().slice(0, 10)}`,
    `${availableParallelism()} × ${model}, ${memory} GiB, ${platform()} ${arch()}`,
    ...folded([`node ${process.versions.node}`, ...compared.map(versionOf)])
  ]
}

/** As many in a line as a picture is wide. */
const folded = (items: ReadonlyArray<string>): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const item of items) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + item.length <= 64) lines[lines.length - 1] = `${last}, ${item}`
    else lines.push(item)
  }
  return lines
}

/** Draws a picture of a benchmark into the documents. */
export const draw = (
  name: string,
  render: (caption: ReadonlyArray<string>) => string,
  compared: ReadonlyArray<string>
): Effect.Effect<void> =>
  Effect.flatMap(Wanted, (wanted) => {
    if (!wanted) return Effect.void
    const path = `docs/performance-${name}.svg`
    return Effect.andThen(
      Effect.sync(() => writeFileSync(new URL(`../../${path}`, import.meta.url), render(caption(name, compared)))),
      Console.log(`drawn: ${path}`)
    )
  })
