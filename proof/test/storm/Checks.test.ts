/**
 * Each promise, broken: what the checks are for is found, and where nothing is broken nothing is found.
 */
import { assert, describe, it } from "@effect/vitest"
import { checks, type Promised } from "../../src/storm/Checks.ts"
import type { Attempt, Deed, Ledger } from "../../src/storm/Ledger.ts"
import type { Stored } from "../../src/storm/Stored.ts"

const attempt = (op: string, deed: Deed, at: bigint, told: Partial<Attempt> = {}): Attempt => ({
  op,
  deed,
  began: at,
  ended: at + 1n,
  outcome: "Applied",
  error: undefined,
  value: undefined,
  ...told
})

const note = (rangeId: bigint): Deed => ({ _tag: "Note", shardId: 1, rangeId })
const entry = { _tag: "Entry", key: "colour" } as const

const step = (number: number): Deed => ({ _tag: "Step", shardId: 1, rangeId: 2n, workflow: "1/order", step: number })

/** Two owners of a shard, who write; a queue that is filled and drained; a namespace, two messages, a job, an entry. */
const ledger: Ledger = {
  attempts: [
    attempt("take 1", { _tag: "Takeover", shardId: 1, rangeId: 1n }, 10n),
    attempt("note 1", note(1n), 20n),
    attempt("take 2", { _tag: "Takeover", shardId: 1, rangeId: 2n }, 30n),
    attempt("note 2", note(2n), 40n),
    attempt("note 3", note(2n), 50n, { outcome: "Unknown", ended: undefined }),
    attempt("late note", note(1n), 60n, { outcome: "Refused", error: "ShardOwnershipLost" }),
    attempt("step 1", step(1), 70n),
    attempt("step 2", step(2), 80n),
    attempt("lease", { _tag: "Lease", queue: "emails" }, 90n, { value: 1n }),
    attempt("tasks", { _tag: "Tasks", queue: "emails", rangeId: 1n, taskIds: [100n, 101n] }, 100n),
    attempt("drain", { _tag: "Completion", queue: "emails", before: 102n }, 120n),
    attempt("more tasks", { _tag: "Tasks", queue: "emails", rangeId: 1n, taskIds: [102n] }, 130n),
    attempt("namespace", { _tag: "Namespace", id: "n", change: "Create" }, 140n, { value: 1n }),
    attempt("change", { _tag: "Namespace", id: "n", change: "Update", version: 2n }, 150n),
    attempt("message 1", { _tag: "Message" }, 160n, { value: 0n }),
    attempt("message 2", { _tag: "Message" }, 170n, { value: 1n }),
    attempt("job", { _tag: "Offer" }, 180n),
    attempt("work", { _tag: "Work", job: "job" }, 190n),
    attempt("done", { _tag: "Completed", job: "job" }, 200n),
    attempt("red", entry, 210n),
    attempt("blue", entry, 220n),
    attempt("green", entry, 225n, { outcome: "Unknown", ended: undefined }),
    attempt("letter", { _tag: "Request", of: "desk" }, 230n),
    attempt("stamped", { _tag: "Answer", request: "letter" }, 240n, { value: 2n }),
    attempt("parcel", { _tag: "Request", of: "delivery" }, 250n, { outcome: "Unknown", ended: undefined })
  ],
  deliveries: [
    {
      _tag: "Delivered",
      queue: "emails",
      at: 110n,
      tasks: [
        { taskId: 100n, op: "tasks" },
        { taskId: 101n, op: "tasks" }
      ]
    }
  ]
}

/** What a step leaves: a line when it begins, and one when it is done. Each fence is of the runner of its number. */
const lines = (shard: string, op: string, step: string, number: bigint, fence: bigint) =>
  [false, true].map((isDone, index) => ({
    shard,
    op,
    step,
    isDone,
    number: number + BigInt(index),
    runner: `r${fence}`,
    fence
  }))

/** A parcel is packed by one runner, and shipped by the one that took its shard. */
const shipped = lines("road", "parcel", "ship", 3n, 2n)

const letter = { op: "letter", exits: 1, number: 2n, exit: "2" }

const stored: Stored = {
  shards: [{ of: "1", rangeId: 2n }],
  notes: [
    { shardId: 1, id: 1n, op: "note 1", rangeId: 1n },
    { shardId: 1, id: 2n, op: "note 2", rangeId: 2n }
  ],
  steps: [
    { workflow: "1/order", step: 1, op: "step 1", rangeId: 2n },
    { workflow: "1/order", step: 2, op: "step 2", rangeId: 2n }
  ],
  runs: [{ workflow: "1/order", runId: "r", step: 2, branch: "b", nodeId: 2n, txnId: 8n }],
  currents: [{ workflow: "1/order", runId: "r" }],
  nodes: [
    { branch: "b", nodeId: 1n, txnId: 5n, prevTxnId: 0n },
    // Of an attempt that failed: no history leads there.
    { branch: "b", nodeId: 2n, txnId: 6n, prevTxnId: 5n },
    { branch: "b", nodeId: 2n, txnId: 8n, prevTxnId: 5n }
  ],
  queues: [{ of: "emails", rangeId: 1n }],
  tasks: [{ queue: "emails", taskId: 102n, op: "more tasks" }],
  namespaces: [{ id: "n", version: 2n, op: "change" }],
  namespaceVersion: 3n,
  messages: [
    { id: 0n, op: "message 1" },
    { id: 1n, op: "message 2" }
  ],
  jobs: [{ op: "job", state: "completed" }],
  entries: [{ key: "colour", op: "blue" }],
  lines: [...lines("desk", "letter", "stamp", 1n, 1n), ...lines("road", "parcel", "pack", 1n, 1n), ...shipped],
  requests: [letter, { op: "parcel", exits: 1, number: 4n, exit: "4" }],
  waiting: [],
  fences: new Map([
    ["desk", 1n],
    ["road", 2n]
  ])
}

/** The promises that do not hold of what is given. */
const broken = (from: Partial<Stored>, told: Partial<Ledger> = {}) =>
  checks({ ...ledger, ...told }, { ...stored, ...from })
    .filter((check) => check.broken.length > 0)
    .map(({ promise }) => promise)

/** The ledger with another attempt, or with one in place of another. */
const told = (...changed: ReadonlyArray<Attempt>): Partial<Ledger> => ({
  attempts: [...ledger.attempts.filter(({ op }) => !changed.some((each) => each.op === op)), ...changed]
})

const under = (fence: bigint) => ({ fence, runner: `r${fence}` })
const note3 = { shardId: 1, id: 3n, op: "note 3", rangeId: 2n }
const first = <A>(rows: ReadonlyArray<A>) => rows.slice(0, 1)

/** What is wrong with the rows, or with what was told, and the promises that it breaks. */
const cases: ReadonlyArray<readonly [string, Partial<Stored>, Partial<Ledger>, ReadonlyArray<Promised>]> = [
  ["a note that is missing", { notes: first(stored.notes) }, {}, ["every acknowledged write is there"]],
  [
    "a takeover that was taken back",
    { shards: [{ of: "1", rangeId: 1n }] },
    {},
    ["every acknowledged write is there", "no write has an older token than the newest"]
  ],
  ["a lease that was taken back", { queues: [] }, {}, ["every acknowledged write is there"]],
  ["a task that is neither there nor was delivered", { tasks: [] }, {}, ["every acknowledged write is there"]],
  ["a namespace that is missing", { namespaces: [] }, {}, ["every acknowledged write is there"]],
  [
    "a namespace that was deleted",
    {},
    told(attempt("end", { _tag: "Namespace", id: "n", change: "Delete" }, 155n)),
    ["every acknowledged write is there"]
  ],
  [
    "a namespace as it was before",
    { namespaces: [{ id: "n", version: 1n, op: "namespace" }] },
    {},
    ["every acknowledged write is there"]
  ],
  [
    "a task that was taken away and is there",
    {
      tasks: [...stored.tasks, { queue: "emails", taskId: 101n, op: "tasks" }]
    },
    {},
    ["every acknowledged write is there"]
  ],
  [
    "a note that is there twice",
    { notes: [...stored.notes, { ...note3, op: "note 2" }] },
    {},
    ["no write is there twice"]
  ],
  [
    "a message that is there twice",
    { messages: [...stored.messages, { id: 2n, op: "message 1" }] },
    {},
    ["no write is there twice", "queues lose and repeat no ids"]
  ],
  [
    "a note that was refused",
    { notes: [...stored.notes, { ...note3, op: "late note" }] },
    {},
    ["nothing is there that was refused"]
  ],
  [
    "a note that nobody wrote",
    { notes: [...stored.notes, { ...note3, op: "?" }] },
    {},
    ["nothing is there that was refused"]
  ],
  [
    "a part of some tasks",
    {},
    told(
      attempt("more tasks", { _tag: "Tasks", queue: "emails", rangeId: 1n, taskIds: [102n, 103n] }, 130n, {
        outcome: "Unknown"
      })
    ),
    ["nothing is there that was refused"]
  ],
  [
    "a row of an owner behind one of his successor",
    {
      notes: stored.notes.map((row) => ({ ...row, rangeId: 3n - row.rangeId }))
    },
    {},
    ["no write has an older token than the newest"]
  ],
  [
    "a write that began after the successor had the shard",
    {},
    told(attempt("note 1", note(1n), 35n)),
    ["no write has an older token than the newest"]
  ],
  [
    "a range that two were given",
    {},
    told(attempt("take 3", { _tag: "Takeover", shardId: 1, rangeId: 2n }, 31n)),
    ["no token was given twice"]
  ],
  [
    "a version of two changes",
    {},
    told(attempt("other", { _tag: "Namespace", id: "n", change: "Update", version: 1n }, 145n)),
    ["no token was given twice"]
  ],
  ["a namespace of a version to come", { namespaceVersion: 2n }, {}, ["no token was given twice"]],
  ["a current execution without its run", { runs: [] }, {}, ["current executions have their runs"]],
  ["a workflow without a current execution", { currents: [] }, {}, ["current executions have their runs"]],
  [
    "a run that is behind its steps",
    { runs: stored.runs.map((run) => ({ ...run, step: 1 })) },
    {},
    ["current executions have their runs"]
  ],
  ["a history without its first event", { nodes: stored.nodes.slice(1) }, {}, ["histories have no gaps"]],
  ["a history whose last event is another's", { nodes: stored.nodes.slice(0, 2) }, {}, ["histories have no gaps"]],
  [
    "a gap in a journal",
    {
      notes: stored.notes.map((row) => ({ ...row, id: row.id * 2n - 1n }))
    },
    {},
    ["queues lose and repeat no ids"]
  ],
  [
    "a gap between messages",
    { messages: stored.messages.map((row) => ({ ...row, id: row.id * 2n })) },
    {},
    ["queues lose and repeat no ids"]
  ],
  [
    "a message with another's number",
    {},
    told(attempt("message 1", { _tag: "Message" }, 160n, { value: 5n })),
    ["queues lose and repeat no ids"]
  ],
  ["a job that is missing", { jobs: [] }, {}, ["every acknowledged write is there"]],
  [
    "a job that was completed and waits",
    { jobs: [{ op: "job", state: "pending" }] },
    {},
    ["every acknowledged write is there"]
  ],
  [
    "a job that was given to two workers",
    {},
    told(attempt("more work", { _tag: "Work", job: "job" }, 195n)),
    ["no job is given to two workers"]
  ],
  ["an entry that is missing", { entries: [] }, {}, ["every acknowledged write is there"]],
  ["an entry as it was before", { entries: [{ key: "colour", op: "red" }] }, {}, ["every acknowledged write is there"]],
  [
    "a request that is missing",
    { requests: stored.requests.slice(1) },
    {},
    ["every acknowledged write is there", "every request has one exit", "no message is lost"]
  ],
  ["a request that is there twice", { requests: [...stored.requests, letter] }, {}, ["no write is there twice"]],
  [
    "a request without an exit",
    { requests: stored.requests.map((request) => ({ ...request, exits: 0, number: undefined })) },
    {},
    ["every request has one exit"]
  ],
  [
    "a request whose exit is that its run is suspended",
    { requests: stored.requests.map((request) => ({ ...request, number: undefined, exit: "Suspended" })) },
    {},
    ["every request has one exit"]
  ],
  [
    "a request with two exits",
    { requests: stored.requests.map((request) => ({ ...request, exits: 2 })) },
    {},
    ["every request has one exit"]
  ],
  [
    "an answer that is not the exit",
    {},
    told(attempt("stamped", { _tag: "Answer", request: "letter" }, 240n, { value: 3n })),
    ["every request has one exit"]
  ],
  [
    "an answer that never came",
    {},
    told(attempt("stamped", { _tag: "Answer", request: "letter" }, 240n, { outcome: "Refused", error: "NoAnswer" })),
    ["no message is lost"]
  ],
  ["a message that waits", { waiting: ["deferred of Workflow/Delivery"] }, {}, ["no message is lost"]],
  [
    "a step that was done twice",
    { lines: [...stored.lines, ...lines("road", "parcel", "ship", 5n, 2n)] },
    {},
    ["each activity's effect is there once"]
  ],
  [
    "a step that was not done",
    { lines: stored.lines.filter((line) => line.step !== "pack") },
    {},
    ["each activity's effect is there once"]
  ],
  [
    "a step of a request that nobody made",
    { lines: [...stored.lines, ...lines("road", "?", "ship", 5n, 2n)] },
    {},
    ["nothing is there that was refused"]
  ],
  [
    "a line of a runner behind one of its successor",
    { lines: stored.lines.map((line) => (line.shard === "road" ? { ...line, ...under(3n - line.fence) } : line)) },
    {},
    ["no entity is on two runners at one time"]
  ],
  [
    "a fence of two runners",
    { lines: stored.lines.map((line) => (line.step === "ship" ? { ...line, fence: 1n } : line)) },
    {},
    ["no entity is on two runners at one time"]
  ],
  ["a fence that is to come", { fences: new Map([["desk", 1n]]) }, {}, ["no entity is on two runners at one time"]],
  [
    "a task that came back",
    {},
    {
      deliveries: [...ledger.deliveries, ...ledger.deliveries.map((each) => ({ ...each, at: 125n }))]
    },
    ["queues lose and repeat no ids"]
  ]
]

describe("the checks of a storm", () => {
  it("find nothing where everything is as it was told, whatever became of what is unknown", () => {
    assert.deepStrictEqual(broken({}), [])
    assert.deepStrictEqual(broken({ notes: [...stored.notes, note3] }), [])
    const green = { entries: [{ key: "colour", op: "green" }] }
    assert.deepStrictEqual(broken(green), [])
    // Who is told that nobody knows is not told that it is over.
    assert.deepStrictEqual(broken(green, told(attempt("green", entry, 211n, { outcome: "Unknown", ended: 212n }))), [])
  })

  for (const [wrong, rows, lines, promises] of cases) {
    it(`find ${wrong}`, () => {
      assert.deepStrictEqual(broken(rows, lines), promises)
    })
  }

  it("are each tried", () => {
    const tried = new Set(cases.flatMap(([, , , promises]) => promises))
    assert.deepStrictEqual(
      checks(ledger, stored)
        .map(({ promise }) => promise)
        .filter((promise) => !tried.has(promise)),
      []
    )
  })
})
