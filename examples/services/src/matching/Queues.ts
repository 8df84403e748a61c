/**
 * Task queues in the hands of one process: it keeps what history adds, and gives it out to workers.
 *
 * A task stays in the database until it and all before it are acknowledged. One that was given out and not
 * acknowledged in time is given out again, and so is everything after this process has died: what comes twice is
 * recognised where it arrives.
 */
import { Identifiers, TaskQueueId, TaskQueues } from "@effect-dsql/persistence"
import { Clock, Context, Effect, Layer, Option, Schedule, Schema, Semaphore } from "effect"
import { Work } from "../api/MatchingApi.ts"
import { Unavailable } from "../api/Refusal.ts"
import { blobs } from "../Json.ts"
import { Keyspace } from "../Keyspace.ts"

/** All work of this backend waits in one queue. */
export const workQueue = "work"

const works = blobs(Work)

const infos = blobs(Schema.Struct({ name: Schema.String }))

/** Milliseconds that a worker may take before its task is given to another. */
const patience = 5_000

/** How often, and how far apart, a poll looks for a task before it ends with none. */
const polling = Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: "1 second" }))

/** What a range gives out at most. */
const idsOfRange = 2n ** 24n

export interface Given {
  readonly taskId: bigint
  readonly work: Work
}

export class Queues extends Context.Service<
  Queues,
  {
    readonly add: (name: string, work: ReadonlyArray<Work>) => Effect.Effect<void, Unavailable>
    /** The next task, waited for a while. */
    readonly poll: (name: string) => Effect.Effect<Option.Option<Given>, Unavailable>
    readonly acknowledge: (name: string, taskId: bigint) => Effect.Effect<void, Unavailable>
  }
>()("services/Queues") {}

/** A queue that this process owns. */
interface Owned {
  readonly id: TaskQueueId.TaskQueueId
  readonly rangeId: bigint
  /** The last task id that was given to a task. */
  last: bigint
  /** When each task was given out that is not acknowledged. */
  readonly given: Map<bigint, number>
  /** Tasks that are acknowledged, while there may be some before them. */
  readonly acknowledged: Set<bigint>
}

export const layer = Layer.effect(
  Queues,
  Effect.gen(function* () {
    const store = yield* TaskQueues.TaskQueues
    const { namespaceId } = yield* Keyspace
    const owned = new Map<string, Owned>()
    // One at a time decides what to give out: the database says who owns the queue, this says who has which task.
    const turn = yield* Semaphore.make(1)

    const own = Effect.fnUntraced(function* (name: string) {
      const known = owned.get(name)
      if (known !== undefined) return known
      const id = TaskQueueId.make({ namespaceId, name: Identifiers.TaskQueueName.make(name), type: "Workflow" })
      const { rangeId } = yield* store.lease(id, infos.encode({ name }))
      const queue: Owned = { id, rangeId, last: rangeId * idsOfRange, given: new Map(), acknowledged: new Set() }
      owned.set(name, queue)
      yield* Effect.logInfo("took a task queue").pipe(Effect.annotateLogs({ name, rangeId: String(rangeId) }))
      return queue
    })

    const next = Effect.fnUntraced(function* (name: string) {
      const queue = yield* own(name)
      const now = yield* Clock.currentTimeMillis
      const { items } = yield* store.listTasks(queue.id, { size: 100 })
      const free = items.find(({ position: { taskId } }) => {
        const since = queue.given.get(taskId)
        return !queue.acknowledged.has(taskId) && (since === undefined || now - since > patience)
      })
      if (free === undefined) return Option.none<Given>()
      queue.given.set(free.position.taskId, now)
      return Option.some({ taskId: free.position.taskId, work: yield* works.decode(free.task) })
    }, turn.withPermit)

    const add = Effect.fnUntraced(function* (name: string, work: ReadonlyArray<Work>) {
      const queue = yield* own(name)
      const tasks = work.map((one) => {
        queue.last += 1n
        return { position: { taskId: queue.last }, task: works.encode(one) }
      })
      yield* store.createTasks({ id: queue.id, rangeId: queue.rangeId }, tasks)
    }, turn.withPermit)

    const acknowledge = Effect.fnUntraced(function* (name: string, taskId: bigint) {
      const queue = yield* own(name)
      queue.given.delete(taskId)
      queue.acknowledged.add(taskId)
      const { items } = yield* store.listTasks(queue.id, { size: 100 })
      const open = items.find(({ position }) => !queue.acknowledged.has(position.taskId))
      // Behind those that were read there may be more, which nobody has been given.
      const before = open?.position.taskId ?? (items.at(-1)?.position.taskId ?? taskId) + 1n
      yield* store.deleteTasks(queue, { taskId: before })
      for (const done of queue.acknowledged) if (done < before) queue.acknowledged.delete(done)
    }, turn.withPermit)

    /** A queue that somebody else has taken is let go; the next call takes it back, and the caller comes again. */
    const answering = <A, E extends { readonly _tag: string; readonly message: string }>(
      name: string,
      effect: Effect.Effect<A, E>
    ) =>
      Effect.mapError(effect, (error) => {
        if (error._tag === "TaskQueueOwnershipLost") owned.delete(name)
        return new Unavailable({ reason: error.message })
      })

    return Queues.of({
      add: (name, work) => answering(name, add(name, work)),
      poll: (name) =>
        answering(name, Effect.repeat(next(name), { schedule: polling, until: Option.isSome })).pipe(
          Effect.map((found) => (Option.isOption(found) ? found : Option.none()))
        ),
      acknowledge: (name, taskId) => answering(name, acknowledge(name, taskId))
    })
  })
)
