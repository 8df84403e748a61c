/**
 * Creates, changes, renames and deletes namespaces, against everybody else who does.
 */
import { Identifiers, Namespaces } from "@effect-dsql/persistence"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { randomUUID } from "node:crypto"
import { Mark } from "./Json.ts"
import { Scribe } from "./Scribe.ts"
import { type IsOver, repeated } from "./Tenure.ts"

/** Namespaces beyond this number are deleted. */
const most = 12

/** Changes namespaces, one after the other. */
export const register = (isOver: IsOver) => repeated(isOver, change)

const name = () => Identifiers.NamespaceName.make(`namespace ${randomUUID()}`)

const change = Effect.gen(function* () {
  const namespaces = yield* Namespaces.Namespaces
  const scribe = yield* Scribe
  // The version before what is changed: whoever changes it in between makes the change fail.
  const version = yield* namespaces.version
  const { items } = yield* namespaces.list({ size: 100 })
  const op = yield* scribe.op
  const detail = Mark.encode({ op })
  const [target] = yield* Random.shuffle(items)
  const choice = yield* Random.nextIntBetween(1, 10)
  if (target === undefined || choice === 1) {
    const id = Identifiers.NamespaceId.make(randomUUID())
    const created = namespaces.create({ id, name: name(), isGlobal: false, detail })
    return yield* scribe.attempt(
      op,
      { _tag: "Namespace", id, change: "Create" },
      created,
      (namespace) => namespace.notificationVersion
    )
  }
  const { id, isGlobal } = target
  if (items.length > most) {
    return yield* scribe.attempt(op, { _tag: "Namespace", id, change: "Delete" }, namespaces.deleteById(id))
  }
  return yield* choice < 4
    ? scribe.attempt(
        op,
        { _tag: "Namespace", id, change: "Rename", version },
        namespaces.rename({ id, isGlobal, detail, name: name() }, version)
      )
    : scribe.attempt(
        op,
        { _tag: "Namespace", id, change: "Update", version },
        namespaces.update({ id, isGlobal, detail }, version)
      )
})
