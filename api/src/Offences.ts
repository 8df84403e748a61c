/**
 * What a public module must not do: leave open whether it will stay, name what its importer cannot get at, or go
 * undocumented.
 */
import ts from "typescript"
import type * as Package from "./Package.ts"
import * as Surface from "./Surface.ts"

/** The offences of a package, a line each. */
export const of = (self: Package.Package): ReadonlyArray<string> =>
  self.modules.flatMap((module) => [...unpromised(module, self), ...hidden(module, self), ...undocumented(module)])

/** What a module can promise; docs/versioning.md says what each of them means. */
const promises = ["stable", "unstable"]

const unpromised = ({ path, stability }: Package.Module, { name }: Package.Package): ReadonlyArray<string> =>
  path === name || promises.includes(stability ?? "")
    ? []
    : [`${path} says neither @stability ${promises.join(" nor @stability ")} at its head`]

const hidden = (module: Package.Module, self: Package.Package): ReadonlyArray<string> =>
  Surface.of(module, self).flatMap((visible) =>
    [...visible.hidden].map((what) => `${module.path}: ${visible.name} names ${what}`)
  )

/** A name that is a value and a type has one sentence; each of its declarations has its tags. */
const undocumented = (module: Package.Module): ReadonlyArray<string> =>
  module.exports.flatMap(({ declarations, name }) => {
    const comments = declarations.filter((declaration) => Surface.isDeclaredFor(module, declaration)).map(commentOf)
    if (comments.length === 0) return []
    const missing = [
      ...(comments.some((comment) => ts.getTextOfJSDocComment(comment?.comment)) ? [] : ["sentence that documents it"]),
      ...["since", "category"]
        .filter((tag) => !comments.every((comment) => comment?.tags?.some(({ tagName }) => tagName.text === tag)))
        .map((tag) => `@${tag}`)
    ]
    return missing.map((what) => `${module.path}: ${name} has no ${what}`)
  })

/** The comment that stands right before a declaration. */
const commentOf = (declaration: ts.Declaration): ts.JSDoc | undefined =>
  ts.getJSDocCommentsAndTags(declaration).findLast(ts.isJSDoc)
