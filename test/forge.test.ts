/**
 * What the forge reads of this repository: workflows, templates, and the notes that become a changelog.
 */
import { validateWorkflow } from "@action-validator/core"
import { assert, describe, it } from "@effect/vitest"
import { globSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parse } from "yaml"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const read = (path: string) => readFileSync(join(root, path), "utf8")

const workflows = globSync(".github/workflows/*.yml", { cwd: root }).toSorted()

/** What is wrong with a workflow, as the forge would say it. */
const faults = (text: string) => validateWorkflow(text).errors

describe("the workflows", () => {
  it.each(workflows)("%s is one", (path) => {
    assert.deepStrictEqual(faults(read(path)), [])
  })

  it("would be refused with a key that the forge does not know, or a job that needs none that is there", () => {
    const job = { "runs-on": "ubuntu-24.04", steps: [{ run: "true" }] }
    const workflow = (other: object) => JSON.stringify({ on: "push", jobs: { a: { ...job, ...other } } })
    assert.deepStrictEqual(faults(workflow({})), [])
    assert.isNotEmpty(faults(workflow({ timeout: 1 })))
    assert.isNotEmpty(faults(workflow({ needs: "b" })))
  })

  it("test on Linux of both kinds and on macOS, with the oldest Node that the packages take and with the pinned one", () => {
    const { jobs } = parse(read(".github/workflows/test.yml"))
    const { node, os } = jobs.packages.strategy.matrix
    assert.deepStrictEqual(os, ["ubuntu-24.04", "ubuntu-24.04-arm", "macos-15"])
    assert.deepStrictEqual(jobs.gate.strategy.matrix.os, os)
    const { engines } = JSON.parse(read("packages/core/package.json"))
    const { nodeVersion } = parse(read("pnpm-workspace.yaml"))
    assert.deepStrictEqual(node, [engines.node.replace(">=", ""), String(Number.parseInt(nodeVersion, 10))])
  })

  it("release with the action that reads what this version of changesets prints: one major version below it", () => {
    const [, action] = /changesets\/action@v(\d+)/.exec(read(".github/workflows/release.yml")) ?? []
    const { catalog } = parse(read("pnpm-workspace.yaml"))
    assert.strictEqual(Number(action), Number.parseInt(catalog["@changesets/cli"], 10) - 1)
  })

  it("start pnpm in the version that everything else starts", () => {
    const [version] = /pnpm@[\d.]+/.exec(read(".ci/run")) ?? []
    for (const path of workflows) {
      for (const [named] of read(path).matchAll(/pnpm@[\d.]+/g)) assert.strictEqual(named, version, path)
    }
  })
})

describe("the forms for issues", () => {
  const forms = globSync(".github/ISSUE_TEMPLATE/*.yml", { cwd: root }).filter((path) => !path.endsWith("config.yml"))

  it.each(forms)("%s asks for something, and nothing twice", (path) => {
    const { body, description, name } = parse(read(path))
    assert.isTrue([name, description].every((text) => typeof text === "string" && text !== ""))
    const ids = body.map(({ id }: { readonly id: string }) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
    assert.isNotEmpty(ids)
  })
})

describe("the notes of changes", () => {
  const notes = globSync(".changeset/*.md", { cwd: root })
  const names = readdirSync(join(root, "packages")).map((name) => `@effect-dsql/${name}`)

  it("name packages that there are, a patch or a minor change of each, and say something", () => {
    for (const path of notes) {
      const [, head = "", text = ""] = /^---\n(.*?)---\n(.*)$/s.exec(read(path)) ?? []
      for (const [name, size] of Object.entries(parse(head))) {
        assert.include(names, name, path)
        assert.include(["patch", "minor"], size, path)
      }
      assert.isNotEmpty(text.trim(), path)
    }
  })
})
