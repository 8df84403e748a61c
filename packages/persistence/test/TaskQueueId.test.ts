import { Identifiers, TaskQueueId } from "@effect-dsql/persistence"
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { createHash } from "node:crypto"
import { fingerprint32 } from "../src/internal/taskQueues/farmhash.ts"

const namespaceId = Identifiers.NamespaceId.make("32049b68-7872-4094-8e63-d0dd59896a83")

const known = (name: string, rest: Partial<TaskQueueId.Known> = {}): TaskQueueId.Known => ({
  namespaceId,
  name: Identifiers.TaskQueueName.make(name),
  type: "Workflow",
  ...rest
})

describe("fingerprint32", () => {
  it("gives what Google's FarmHash gives, for each of the lengths that it treats in their own way", () => {
    const text = "task queue ".repeat(20)
    // By farmhash-modern 1.1.0, which compiles a port of the original.
    const expected: ReadonlyArray<readonly [length: number, hash: number]> = [
      [0, 3696677242],
      [1, 3448153889],
      [3, 3449401071],
      [4, 2188469872],
      [5, 1756272165],
      [8, 1514900149],
      [12, 2681048496],
      [13, 40158272],
      [17, 128873673],
      [24, 1019616604],
      [25, 3945064618],
      [40, 1054352782],
      [41, 3197790052],
      [60, 43793794],
      [61, 1769818158],
      [200, 2696250323]
    ]
    for (const [length, hash] of expected) {
      assert.deepStrictEqual([length, fingerprint32(Buffer.from(text.slice(0, length)))], [length, hash])
    }
    // The archetype ids of Temporal.
    assert.strictEqual(fingerprint32(Buffer.from("workflow.workflow")), 2918170192)
    assert.strictEqual(fingerprint32(Buffer.from("scheduler.scheduler")), 403648407)
  })
})

describe("TaskQueueId", () => {
  it("writes Temporal's binary id: namespace, name, type, and the subqueue where there is one", () => {
    const namespace = "32049b68787240948e63d0dd59896a83"
    const hex = (of: TaskQueueId.Known) => Buffer.from(TaskQueueId.binary(of)).toString("hex")
    assert.strictEqual(hex(known("ab")), `${namespace}616201`)
    assert.strictEqual(hex(known("é", { type: "Activity" })), `${namespace}c3a902`)
    assert.strictEqual(hex(known("ab", { type: "Nexus", subqueue: 0 })), `${namespace}616203`)
    assert.strictEqual(hex(known("ab", { subqueue: 1 })), `${namespace}61628101`)
    assert.strictEqual(hex(known("ab", { type: "Nexus", subqueue: 300 })), `${namespace}616283ac02`)
    assert.strictEqual(hex(known("ab", { subqueue: 4_294_967_295 })), `${namespace}616281ffffffff0f`)
  })

  it("keeps the bits of SHA-256 but for the six that make it a UUID of version 4", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (id) => {
        const { rangeHash, uuid } = TaskQueueId.fromBinary(id)
        const digits = BigInt(`0x${createHash("sha256").update(id).digest("hex").slice(0, 32)}`)
        const mask = 0xffffffff_ffff_0fff_3fff_ffffffffffffn
        assert.strictEqual(BigInt(`0x${uuid.replaceAll("-", "")}`) & mask, digits & mask)
        assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
        assert.strictEqual(rangeHash, BigInt(fingerprint32(id)))
      })
    )
  })

  it("is another one for each name, type, subqueue and namespace", () => {
    const other = Identifiers.NamespaceId.make("32049b68-7872-4094-8e63-d0dd59896a84")
    const ids = [
      known("a"),
      known("b"),
      known("a", { type: "Activity" }),
      known("a", { subqueue: 1 }),
      known("a", { namespaceId: other })
    ].map((each) => TaskQueueId.make(each).uuid)
    assert.strictEqual(new Set(ids).size, ids.length)
    assert.deepStrictEqual(TaskQueueId.make(known("a")), TaskQueueId.make(known("a", { subqueue: 0 })))
  })
})
