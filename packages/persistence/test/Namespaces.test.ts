import { DsqlClient } from "@effect-dsql/core"
import { type Identifiers, Namespace, Namespaces, PageToken, PersistenceError } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { blob, namespace, namespaceId, namespaceName } from "./support/rows.ts"
import { describeAlone } from "./support/persistence.ts"

const using = <A, E, R>(f: (store: Namespaces.Namespaces["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Namespaces.Namespaces, f)

const version = using((store) => store.version)
const given = using((store) => store.create(namespace()))

/** What becomes of the global version by an effect. */
const moved = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* version
    const value = yield* effect
    return { value, by: (yield* version) - before }
  })

const assertMissing = (of: { readonly id: Identifiers.NamespaceId; readonly name: Identifiers.NamespaceName }) =>
  Effect.gen(function* () {
    const byId = yield* Effect.flip(using((store) => store.getById(of.id)))
    assert.include(byId, { _tag: "NamespaceNotFound", by: "id", value: of.id } as const)
    const byName = yield* Effect.flip(using((store) => store.getByName(of.name)))
    assert.include(byName, { _tag: "NamespaceNotFound", by: "name", value: of.name } as const)
  })

describeAlone("Namespaces.create", (it) => {
  it.effect("gives a namespace the version that was current, and moves that by one", () =>
    Effect.gen(function* () {
      const before = yield* version
      const row = namespace()
      const { by, value } = yield* moved(using((store) => store.create(row)))
      assert.deepStrictEqual(value, { ...row, notificationVersion: before })
      assert.strictEqual(by, 1n)
    })
  )

  it.effect("keeps what was created, found by id and by name", () =>
    Effect.gen(function* () {
      const created = yield* using((store) => store.create(namespace({ isGlobal: true })))
      assert.deepStrictEqual(yield* using((store) => store.getById(created.id)), created)
      assert.deepStrictEqual(yield* using((store) => store.getByName(created.name)), created)
    })
  )

  for (const [what, again] of [
    ["an id and a name that are taken", (taken: Namespace.Namespace) => namespace({ id: taken.id, name: taken.name })],
    ["an id that is taken", (taken: Namespace.Namespace) => namespace({ id: taken.id })],
    ["a name that is taken", (taken: Namespace.Namespace) => namespace({ name: taken.name })]
  ] as const) {
    it.effect(`refuses ${what}, says whose it is, and changes nothing`, () =>
      Effect.gen(function* () {
        const first = yield* given
        const { by, value } = yield* moved(Effect.flip(using((store) => store.create(again(first)))))
        assert.include(value, { _tag: "NamespaceAlreadyExists", id: first.id, name: first.name } as const)
        assert.strictEqual(by, 0n)
        assert.deepStrictEqual(yield* using((store) => store.getById(first.id)), first)
        assert.deepStrictEqual(yield* using((store) => store.getByName(first.name)), first)
      })
    )
  }

  it.effect("gives a name and an id again once they are free", () =>
    Effect.gen(function* () {
      const first = yield* given
      yield* using((store) => store.deleteById(first.id))
      const second = yield* using((store) => store.create(namespace({ id: first.id, name: first.name })))
      assert.deepStrictEqual(yield* using((store) => store.getByName(first.name)), second)
    })
  )

  it.effect("refuses detail that no column could hold, before it sends it", () =>
    Effect.gen(function* () {
      const detail = { data: new Uint8Array(1024 * 1024 + 1), encoding: "Proto3" } as const
      const { by, value } = yield* moved(Effect.flip(using((store) => store.create(namespace({ detail })))))
      assert.include(value, { _tag: "LimitExceeded", limit: "column_bytes" } as const)
      assert.include(value.message, "namespaces.data")
      assert.strictEqual(by, 0n)
    })
  )
})

describeAlone("Namespaces.update", (it) => {
  it.effect("replaces all but the id and the name, and moves the version by one", () =>
    Effect.gen(function* () {
      const created = yield* given
      const at = yield* version
      const change = { id: created.id, isGlobal: true, detail: { ...blob(), encoding: "Json" as const } }
      const { by } = yield* moved(using((store) => store.update(change, at)))
      assert.strictEqual(by, 1n)
      assert.deepStrictEqual(yield* using((store) => store.getByName(created.name)), {
        ...created,
        ...change,
        notificationVersion: at
      })
    })
  )

  it.effect("refuses a stale version, says which is current, and changes nothing", () =>
    Effect.gen(function* () {
      const created = yield* given
      const at = yield* version
      yield* given
      const { by, value } = yield* moved(
        Effect.flip(using((store) => store.update({ ...created, detail: blob() }, at)))
      )
      assert.include(value, { _tag: "NamespaceVersionConflict", expected: at, actual: at + 1n } as const)
      assert.strictEqual(by, 0n)
      assert.deepStrictEqual(yield* using((store) => store.getById(created.id)), created)
    })
  )

  it.effect("refuses a version that has not come yet", () =>
    Effect.gen(function* () {
      const created = yield* given
      const at = (yield* version) + 1000n
      const { by, value } = yield* moved(Effect.flip(using((store) => store.update(created, at))))
      assert.include(value, { _tag: "NamespaceVersionConflict", expected: at } as const)
      assert.strictEqual(by, 0n)
    })
  )

  it.effect("leaves a namespace that is missing missing, and the version as it is", () =>
    Effect.gen(function* () {
      const missing = namespace()
      const at = yield* version
      const { by, value } = yield* moved(Effect.flip(using((store) => store.update(missing, at))))
      assert.include(value, { _tag: "NamespaceNotFound", by: "id", value: missing.id } as const)
      assert.strictEqual(by, 0n)
      yield* assertMissing(missing)
    })
  )

  it.effect("refuses detail that no column could hold, before it sends it", () =>
    Effect.gen(function* () {
      const created = yield* given
      const detail = { data: new Uint8Array(1024 * 1024 + 1), encoding: "Proto3" } as const
      const at = yield* version
      const refused = yield* Effect.flip(using((store) => store.update({ ...created, detail }, at)))
      assert.include(refused, { _tag: "LimitExceeded", limit: "column_bytes" } as const)
    })
  )
})

describeAlone("Namespaces.rename", (it) => {
  it.effect("replaces the name with all the rest, and frees the old one", () =>
    Effect.gen(function* () {
      const created = yield* given
      const at = yield* version
      const renamed = { ...created, name: namespaceName(), detail: blob() }
      const { by } = yield* moved(using((store) => store.rename(renamed, at)))
      assert.strictEqual(by, 1n)
      const stored = { ...renamed, notificationVersion: at }
      assert.deepStrictEqual(yield* using((store) => store.getById(created.id)), stored)
      assert.deepStrictEqual(yield* using((store) => store.getByName(renamed.name)), stored)
      const old = yield* Effect.flip(using((store) => store.getByName(created.name)))
      assert.strictEqual(old._tag, "NamespaceNotFound")
    })
  )

  it.effect("takes a namespace's own name", () =>
    Effect.gen(function* () {
      const created = yield* given
      const at = yield* version
      yield* using((store) => store.rename(created, at))
      assert.strictEqual((yield* using((store) => store.getByName(created.name))).notificationVersion, at)
    })
  )

  it.effect("refuses a name that is taken, says whose it is, and changes nothing", () =>
    Effect.gen(function* () {
      const other = yield* given
      const created = yield* given
      const at = yield* version
      const renamed = { ...created, name: other.name }
      const { by, value } = yield* moved(Effect.flip(using((store) => store.rename(renamed, at))))
      assert.include(value, { _tag: "NamespaceAlreadyExists", id: other.id, name: other.name } as const)
      assert.strictEqual(by, 0n)
      assert.deepStrictEqual(yield* using((store) => store.getById(created.id)), created)
      assert.deepStrictEqual(yield* using((store) => store.getByName(other.name)), other)
    })
  )

  it.effect("refuses a stale version, and leaves a namespace that is missing missing", () =>
    Effect.gen(function* () {
      const created = yield* given
      const at = yield* version
      const stale = yield* Effect.flip(using((store) => store.rename({ ...created, name: namespaceName() }, at - 1n)))
      assert.include(stale, { _tag: "NamespaceVersionConflict", expected: at - 1n, actual: at } as const)
      const missing = namespace()
      const absent = yield* Effect.flip(using((store) => store.rename(missing, at)))
      assert.strictEqual(absent._tag, "NamespaceNotFound")
      yield* assertMissing(missing)
      assert.strictEqual(yield* version, at)
    })
  )
})

describeAlone("Namespaces.delete", (it) => {
  it.effect("deletes by id, twice without complaint, and leaves the version", () =>
    Effect.gen(function* () {
      const created = yield* given
      const twice = using((store) => Effect.andThen(store.deleteById(created.id), store.deleteById(created.id)))
      assert.strictEqual((yield* moved(twice)).by, 0n)
      yield* assertMissing(created)
    })
  )

  it.effect("deletes by name, twice without complaint, and leaves the version", () =>
    Effect.gen(function* () {
      const created = yield* given
      const twice = using((store) => Effect.andThen(store.deleteByName(created.name), store.deleteByName(created.name)))
      assert.strictEqual((yield* moved(twice)).by, 0n)
      yield* assertMissing(created)
    })
  )

  it.effect("leaves the others", () =>
    Effect.gen(function* () {
      const kept = yield* given
      yield* using((store) => store.deleteById(namespaceId()))
      yield* using((store) => store.deleteByName(namespaceName()))
      assert.deepStrictEqual(yield* using((store) => store.getById(kept.id)), kept)
    })
  )
})

describeAlone("Namespaces.list", (it) => {
  const readPages = (size: number) =>
    using((store) =>
      Effect.gen(function* () {
        const pages: Array<ReadonlyArray<Namespace.Namespace>> = []
        let token: PageToken.PageToken | undefined
        do {
          const page = yield* store.list({ size, token })
          pages.push(page.items)
          token = page.next
        } while (token !== undefined)
        return pages
      })
    )

  it.effect("gives an empty first page where there is nothing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* using((store) => store.list()), { items: [], next: undefined })
    })
  )

  it.effect("gives every namespace once, by id, whatever the size of a page", () =>
    Effect.gen(function* () {
      yield* Effect.forEach(Array.from({ length: 4 }), () => given)
      const all = (yield* readPages(100)).flat()
      assert.strictEqual(all.length, 4)
      assert.deepStrictEqual(
        all.map(({ id }) => id),
        all.map(({ id }) => id).toSorted()
      )
      for (const [size, lengths] of [
        [1, [1, 1, 1, 1]],
        [2, [2, 2]],
        [3, [3, 1]],
        [4, [4]]
      ] as const) {
        const pages = yield* readPages(size)
        assert.deepStrictEqual(
          pages.map(({ length }) => length),
          [...lengths]
        )
        assert.deepStrictEqual(pages.flat(), all)
      }
      const streamed = yield* using((store) => Stream.runCollect(store.stream({ size: 3 })))
      assert.deepStrictEqual(streamed, all)
    })
  )

  it.effect("refuses a token that is not its own", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(using((store) => store.list({ token: PageToken.PageToken.make("1.abc.def") })))
      assert.include(refused, { _tag: "PageTokenInvalid", list: "namespaces" } as const)
    })
  )

  it.effect("names a row that does not decode, and goes on after it", () =>
    Effect.gen(function* () {
      const all = (yield* readPages(100)).flat()
      const bad = all[1]
      assert(bad !== undefined)
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`UPDATE namespaces SET data_encoding = 'Thrift' WHERE id = ${bad.id}`
      const first = yield* using((store) => store.list())
      assert.deepStrictEqual(first.items, all.slice(0, 1))
      const malformed = yield* Effect.flip(using((store) => store.list({ token: first.next })))
      assert(malformed._tag === "MalformedRow")
      assert.include(malformed, { table: "namespaces", key: `partition_id = 54321, id = ${bad.id}` })
      assert.include(malformed.reason, "data_encoding")
      const rest = yield* using((store) => store.list({ token: malformed.next }))
      assert.deepStrictEqual(rest, { items: all.slice(2), next: undefined })
      const alone = yield* Effect.flip(using((store) => store.getByName(bad.name)))
      assert.include(alone, { _tag: "MalformedRow", key: `partition_id = 54321, name = ${bad.name}` } as const)
    })
  )
})

describeAlone("The system namespace", (it) => {
  const initialize = using((store) => store.initializeSystem(blob()))

  it.effect("is created once, local and under its own id", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* moved(initialize)).by, 1n)
      const created = yield* using((store) => store.getByName(Namespace.systemName))
      assert.include(created, { id: Namespace.systemId, isGlobal: false })
      assert.strictEqual((yield* moved(initialize)).by, 0n)
      assert.deepStrictEqual(yield* using((store) => store.getById(Namespace.systemId)), created)
    })
  )

  it.effect("is not taken for another that has its name", () =>
    Effect.gen(function* () {
      yield* using((store) => store.deleteById(Namespace.systemId))
      const other = yield* using((store) => store.create(namespace({ name: Namespace.systemName })))
      const refused = yield* Effect.flip(initialize)
      assert.include(refused, { _tag: "NamespaceAlreadyExists", id: other.id, name: Namespace.systemName } as const)
    })
  )
})

describeAlone("Namespaces without their metadata", (it) => {
  it.effect("say what is missing", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      const created = yield* given
      yield* sql`DELETE FROM namespace_metadata WHERE partition_id = 54321`
      const operations: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }, Namespaces.Namespaces>> = [
        version,
        given,
        using((store) => store.update(created, 2n))
      ]
      for (const operation of operations) {
        const malformed = yield* Effect.flip(operation)
        assert(malformed instanceof PersistenceError.MalformedRow)
        assert.include(malformed.message, "namespace_metadata (partition_id = 54321): there is no such row")
      }
    })
  )
})
