import { DsqlClient, RetryPolicy, Transaction } from "@effect-dsql/core"
import { ClusterMember, ClusterMembers, Identifiers, PageToken } from "@effect-dsql/persistence"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Deferred, Duration, Effect, Fiber, Layer, type Redacted, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { holding } from "../../../test/lifetime.ts"
import * as Proxy from "../../../test/proxy.ts"
import { Control, loseAnswer, roundTrips } from "./support/emulated.ts"
import { heartbeat } from "./support/rows.ts"
import { describeAlone, describeEmulated, describeStores, type Form } from "./support/persistence.ts"

const using = <A, E, R>(f: (store: ClusterMembers.ClusterMembers["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(ClusterMembers.ClusterMembers, f)

const upsert = (changed: Partial<ClusterMembers.Heartbeat> = {}) =>
  Effect.suspend(() => using((store) => store.upsert(heartbeat(changed))))

const listed = (request: ClusterMembers.MembersRequest) =>
  Effect.map(
    using((store) => store.list(request)),
    ({ items }) => items
  )

/** Lets time pass for one host's record, or for all, by the database's clock. */
const age = (by: Duration.Input, hostId?: Identifiers.HostId) =>
  Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => {
    const passed = sql`${Duration.toMillis(Duration.fromInputUnsafe(by))}::float8 * INTERVAL '1 millisecond'`
    return sql`UPDATE cluster_membership
      SET last_heartbeat = last_heartbeat - ${passed}, record_expiry = record_expiry - ${passed}
      WHERE membership_partition = 0 AND ${hostId === undefined ? sql`true` : sql`host_id = ${hostId}`}`
  })

const records = Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) =>
  Effect.map(sql`SELECT 1 FROM cluster_membership`, (rows) => rows.length)
)

describeStores("A heartbeat", (it) => {
  it.effect("is not there before it is sent", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* using((store) => store.list()), { items: [], next: undefined })
    })
  )

  it.effect("of a host that says neither role nor address is written and read as Temporal does", () =>
    Effect.gen(function* () {
      const { hostId } = yield* upsert({ role: "All", rpcAddress: undefined })
      const { sql } = yield* DsqlClient.DsqlClient
      const columns = sql`SELECT role, rpc_address FROM cluster_membership WHERE host_id = ${hostId}`
      assert.deepStrictEqual(yield* columns, [{ role: 0, rpc_address: "<nil>" }])
      const [member] = yield* listed({ hostId })
      assert.include(member, { role: "All", rpcAddress: undefined })
    })
  )

  it.effect("makes its host a member, with the database's times", () =>
    Effect.gen(function* () {
      const sent = heartbeat({ expiresIn: "90 seconds" })
      const { expiresIn: _, ...said } = sent
      const member = yield* using((store) => store.upsert(sent))
      const { lastHeartbeat, recordExpiry, ...rest } = member
      assert.deepStrictEqual(rest, said)
      assert.strictEqual(Duration.toMillis(DateTime.distance(lastHeartbeat, recordExpiry)), 90_000)
      const { sql } = yield* DsqlClient.DsqlClient
      const rows = yield* sql<{ fresh: boolean }>`
        SELECT now() AT TIME ZONE 'UTC' - last_heartbeat BETWEEN INTERVAL '0' AND INTERVAL '1 minute' AS fresh
        FROM cluster_membership WHERE host_id = ${sent.hostId}`
      assert.deepStrictEqual(rows, [{ fresh: true }])
      assert.deepStrictEqual(yield* listed({ hostId: sent.hostId }), [member])
    })
  )

  it.effect("replaces what the host said before", () =>
    Effect.gen(function* () {
      const { hostId } = yield* upsert()
      const moved = heartbeat({ hostId, role: "Worker", sessionStart: DateTime.makeUnsafe(1_759_000_000_000) })
      const member = yield* using((store) => store.upsert(moved))
      assert.include(member, { role: "Worker", rpcAddress: moved.rpcAddress })
      assert.deepStrictEqual(yield* listed({ hostId }), [member])
    })
  )

  it.effect("is timed by the database, whatever the host's clock says", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2001, 0, 1))
      const { hostId, lastHeartbeat } = yield* upsert({ expiresIn: "1 minute" })
      assert.isAbove(lastHeartbeat.epochMilliseconds, Date.UTC(2020, 0, 1))
      yield* TestClock.setTime(Date.UTC(2999, 0, 1))
      assert.lengthOf(yield* listed({ hostId, heartbeatWithin: "1 minute" }), 1)
    }).pipe(Effect.provide(TestClock.layer()))
  )

  for (const expiresIn of [Duration.zero, Duration.millis(-1), Duration.infinity]) {
    it.effect(`is refused if it expires in ${String(expiresIn)}`, () =>
      Effect.gen(function* () {
        const sent = heartbeat({ expiresIn })
        const refused = yield* Effect.flip(using((store) => store.upsert(sent)))
        assert.include(refused, { _tag: "MemberExpiryInvalid", hostId: sent.hostId } as const)
        assert.lengthOf(yield* listed({ hostId: sent.hostId }), 0)
      })
    )
  }

  it("has no port that its column could not hold", () => {
    assert.isTrue(Schema.is(ClusterMember.RpcPort)(32_767))
    assert.isFalse(Schema.is(ClusterMember.RpcPort)(32_768))
  })

  it("has an IP address in the one form that Temporal reads and looks for, and no name", () => {
    for (const address of ["10.0.0.7", "::1", "2001:db8::1", "2001:db8:0:0:1::", "::ffff:1:2:3", "::ffff:0:102:304"]) {
      assert.isTrue(Schema.is(ClusterMember.RpcAddress)(address), address)
    }
    const others = [
      "",
      "localhost",
      "10.0.0",
      "010.0.0.7",
      "2001:DB8::1",
      "2001:db8:0::1",
      "fe80::1%eth0",
      "::ffff:10.0.0.7",
      "::ffff:a00:7"
    ]
    for (const address of others) assert.isFalse(Schema.is(ClusterMember.RpcAddress)(address), address)
  })
})

describeAlone("A list of members", (it) => {
  it.effect("includes and excludes by role, host, address, heartbeat and session", () =>
    Effect.gen(function* () {
      const sessionStart = DateTime.makeUnsafe(1_759_000_000_000)
      const one = yield* upsert({ role: "Frontend", sessionStart })
      const other = yield* upsert({ role: "Matching" })
      yield* age("10 minutes", other.hostId)
      const filters: ReadonlyArray<readonly [ClusterMembers.MembersRequest, ClusterMembers.MembersRequest]> = [
        [{ role: "Frontend" }, { role: "Matching" }],
        [{ hostId: one.hostId }, { hostId: other.hostId }],
        [{ rpcAddress: one.rpcAddress }, { rpcAddress: other.rpcAddress }],
        [{ heartbeatWithin: "5 minutes" }, { role: "Matching", heartbeatWithin: "15 minutes" }],
        [{ sessionStartedAfter: sessionStart }, { hostId: other.hostId, sessionStartedAfter: other.sessionStart }]
      ]
      const ids = (request: ClusterMembers.MembersRequest) =>
        Effect.map(listed(request), (members) => members.map(({ hostId }) => hostId))
      for (const [includes, excludes] of filters) {
        assert.deepStrictEqual(yield* ids(includes), [one.hostId])
        assert.deepStrictEqual(yield* ids(excludes), [other.hostId])
      }
      const both = [one.hostId, other.hostId].toSorted()
      assert.deepStrictEqual(yield* ids({}), both)
      assert.deepStrictEqual(yield* ids({ heartbeatWithin: Duration.infinity }), both)
      assert.deepStrictEqual(yield* ids({ sessionStartedAfter: DateTime.add(sessionStart, { milliseconds: 1 }) }), [])
      assert.deepStrictEqual(yield* ids({ heartbeatWithin: 0 }), both)
      assert.deepStrictEqual(yield* ids({ role: "Frontend", hostId: other.hostId }), [])
    })
  )

  it.effect("leaves out a record that has expired, until its host is heard of again", () =>
    Effect.gen(function* () {
      const { hostId } = yield* upsert({ expiresIn: "1 minute" })
      yield* age("59 seconds", hostId)
      assert.lengthOf(yield* listed({ hostId }), 1)
      yield* age("1 second", hostId)
      assert.lengthOf(yield* listed({ hostId }), 0)
      yield* upsert({ hostId })
      assert.lengthOf(yield* listed({ hostId }), 1)
    })
  )

  it.effect("gives every member once, by host id, whatever the size of a page", () =>
    Effect.gen(function* () {
      const hosts = yield* Effect.forEach(Array.from({ length: 5 }), () => upsert({ role: "InternalFrontend" }))
      const all = hosts.toSorted((a, b) => (a.hostId < b.hostId ? -1 : 1))
      const role = "InternalFrontend"
      for (const [size, lengths] of [
        [1, [1, 1, 1, 1, 1]],
        [2, [2, 2, 1]],
        [5, [5]]
      ] as const) {
        const pages: Array<ReadonlyArray<ClusterMember.ClusterMember>> = []
        let token: PageToken.PageToken | undefined
        do {
          const page = yield* using((store) => store.list({ role, size, token }))
          pages.push(page.items)
          token = page.next
        } while (token !== undefined)
        assert.deepStrictEqual(
          pages.map(({ length }) => length),
          [...lengths]
        )
        assert.deepStrictEqual(pages.flat(), all)
        assert.deepStrictEqual(yield* using((store) => Stream.runCollect(store.stream({ role, size }))), all)
      }
    })
  )

  it.effect("refuses a token that is not its own", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(listed({ token: PageToken.PageToken.make("sixteen bytes!!!") }))
      assert.include(refused, { _tag: "PageTokenInvalid", list: "cluster_membership" } as const)
    })
  )

  it.effect("refuses the token of a page that asked for other members", () =>
    Effect.gen(function* () {
      const role = "InternalFrontend"
      const { next: token } = yield* using((store) => store.list({ role, size: 1 }))
      assert.isDefined(token)
      yield* listed({ role, token })
      const others: ReadonlyArray<ClusterMembers.MembersRequest> = [
        {},
        { role: "Matching" },
        { role, heartbeatWithin: "1 minute" },
        { role, sessionStartedAfter: DateTime.makeUnsafe(0) },
        { role, hostId: Identifiers.HostId.make("00000000-0000-4000-8000-000000000000") },
        { role, rpcAddress: ClusterMember.RpcAddress.make("10.0.0.1") }
      ]
      for (const other of others) {
        assert.strictEqual((yield* Effect.flip(listed({ ...other, token })))._tag, "PageTokenInvalid")
      }
    })
  )

  it.effect("names a row that does not decode, and goes on after it", () =>
    Effect.gen(function* () {
      const all = yield* listed({ role: "InternalFrontend" })
      const bad = all[1]
      assert(bad !== undefined)
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`UPDATE cluster_membership SET session_start = NULL WHERE host_id = ${bad.hostId}`
      const first = yield* using((store) => store.list({ role: "InternalFrontend" }))
      assert.deepStrictEqual(first.items, all.slice(0, 1))
      const malformed = yield* Effect.flip(listed({ role: "InternalFrontend", token: first.next }))
      assert(malformed._tag === "MalformedRow")
      assert.include(malformed, {
        table: "cluster_membership",
        key: `membership_partition = 0, host_id = ${bad.hostId}`
      })
      assert.include(malformed.reason, "session_start")
      assert.deepStrictEqual(yield* listed({ role: "InternalFrontend", token: malformed.next }), all.slice(2))
    })
  )
})

/** Expired records, many at once. */
const expired = (count: number) =>
  Effect.flatMap(
    DsqlClient.DsqlClient,
    ({ sql }) => sql`
      INSERT INTO cluster_membership (membership_partition, host_id, rpc_address, rpc_port, role, record_expiry)
      SELECT 0, gen_random_uuid(), 'host', 7234, 2, now() AT TIME ZONE 'UTC' - INTERVAL '1 second'
      FROM generate_series(1, ${count}::integer)`
  )

const pruned = using((store) => store.deleteExpired())

describeAlone("Pruning", (it) => {
  it.effect("deletes the records that have expired, and no other", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* pruned, 0)
      const { hostId } = yield* upsert()
      yield* expired(1100)
      assert.strictEqual(yield* using((store) => store.deleteExpired({ limit: 20 })), 20)
      assert.strictEqual(yield* pruned, 1080)
      assert.strictEqual(yield* records, 1)
      assert.lengthOf(yield* listed({ hostId }), 1)
    })
  )

  it.effect("does not lose a host that is heard of at the same time", () =>
    Effect.gen(function* () {
      const { hostId } = yield* upsert({ expiresIn: "1 minute" })
      yield* age("2 minutes", hostId)
      const begun = yield* Deferred.make<void>()
      const finished = yield* Deferred.make<void>()
      const attempts: Array<number> = []
      // A heartbeat that has not committed when the pruning does.
      const late = yield* Transaction.run(
        Effect.gen(function* () {
          const { attempt, sql } = yield* Transaction.Transaction
          attempts.push(attempt)
          const row = { membership_partition: 0, host_id: hostId, rpc_address: "host", rpc_port: 7234, role: 2 }
          yield* sql`
            INSERT INTO cluster_membership ${sql.insert(row)}
            ON CONFLICT (membership_partition, host_id) DO UPDATE SET record_expiry = 'infinity'`
          yield* Deferred.succeed(begun, undefined)
          yield* Deferred.await(finished)
        }),
        { policy: RetryPolicy.make({ jitter: "none", base: "1 millis" }) }
      ).pipe(Effect.forkChild)
      yield* Deferred.await(begun)
      assert.strictEqual(yield* pruned, 1)
      yield* Deferred.succeed(finished, undefined)
      yield* Fiber.join(late)
      assert.deepStrictEqual(attempts, [1, 2])
      const { sql } = yield* DsqlClient.DsqlClient
      assert.lengthOf(yield* sql`SELECT 1 FROM cluster_membership WHERE host_id = ${hostId}`, 1)
    })
  )
})

describeEmulated("Pruning that was stopped", (it) => {
  it.effect("goes on where it is run again", () =>
    Effect.gen(function* () {
      yield* expired(1100)
      const control = yield* Control
      // The second statement's answer is lost, and those of the six times that it is done again.
      yield* control.inject({ on: "commit", fault: "cut", nth: [2, 3, 4, 5, 6, 7, 8] })
      assert.strictEqual((yield* Effect.flip(pruned))._tag, "CommitOutcomeUnknown")
      assert.strictEqual(yield* records, 600)
      yield* control.clear
      assert.strictEqual(yield* pruned, 600)
    })
  )

  it.effect("goes on by itself where only one answer was lost", () =>
    Effect.gen(function* () {
      yield* expired(1100)
      yield* loseAnswer("before")
      assert.strictEqual(yield* pruned, 1100)
    })
  )
})

/** A host behind a network, and what anybody sees of it. */
const behindProxy = (form: Form) =>
  Effect.gen(function* () {
    const { url } = yield* Testing.make({ source: SchemaSource.builtIn() })
    const proxy = yield* Proxy.make(url)
    const store = (url: Redacted.Redacted) =>
      Layer.fresh(ClusterMembers.layer).pipe(
        Layer.provide(Layer.fresh(DsqlClient.layerUrl({ url, guarded: form }))),
        Layer.build,
        Effect.map((services) => Context.get(services, ClusterMembers.ClusterMembers))
      )
    return { proxy, host: yield* store(proxy.url), witness: yield* store(url) }
  })

describe.each([
  ["statement", "INSERT INTO"],
  ["transaction", "COMMIT"]
] as const)("A heartbeat as one %s", (form, held) => {
  it.live("does not take the next one back, however late it arrives", () =>
    Effect.gen(function* () {
      const { host, proxy, witness } = yield* behindProxy(form)
      const first = heartbeat()
      const { hold, layer } = holding(proxy)
      const late = yield* hold(held)
      yield* Effect.provide(host.upsert(first), layer)
      const next = yield* host.upsert({ ...first, role: "Matching", expiresIn: "2 hours" })
      assert.isTrue(yield* late.arrive)
      assert.deepStrictEqual((yield* witness.list({ hostId: first.hostId })).items, [next])
    })
  )
})

describeEmulated("A heartbeat whose answer was lost", (it) => {
  it.effect("is written again, whether it took effect or not", () =>
    Effect.gen(function* () {
      for (const when of ["before", "after"] as const) {
        yield* loseAnswer(when)
        const member = yield* upsert()
        assert.deepStrictEqual(yield* listed({ hostId: member.hostId }), [member])
      }
    })
  )

  it.effect("was, like a list, one round trip of what the linter accepts; pruning is one for 500", () =>
    Effect.gen(function* () {
      const { hostId } = yield* upsert()
      const filters = { hostId, role: "History", heartbeatWithin: "1 hour" } as const
      assert.strictEqual(yield* roundTrips(upsert()), 1)
      assert.strictEqual(yield* roundTrips(listed({})), 1)
      assert.strictEqual(yield* roundTrips(listed(filters)), 1)
      assert.strictEqual(yield* roundTrips(Effect.andThen(expired(499), pruned)), 2)
    })
  )
})
