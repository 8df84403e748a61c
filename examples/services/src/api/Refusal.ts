/**
 * What the services can refuse, over HTTP.
 */
import { Schema } from "effect"

/** This process does not own the shard. Ask the database who does, and go there. */
export class NotOwner extends Schema.TaggedError<NotOwner>("services/NotOwner")(
  "NotOwner",
  { shardId: Schema.Int },
  { httpApiStatus: 421 }
) {
  override get message(): string {
    return `this process does not own shard ${this.shardId}`
  }
}

export class NotFound extends Schema.TaggedError<NotFound>("services/NotFound")(
  "NotFound",
  { what: Schema.String },
  { httpApiStatus: 404 }
) {
  override get message(): string {
    return `there is no ${this.what}`
  }
}

export class AlreadyRunning extends Schema.TaggedError<AlreadyRunning>("services/AlreadyRunning")(
  "AlreadyRunning",
  { id: Schema.String, runId: Schema.String },
  { httpApiStatus: 409 }
) {
  override get message(): string {
    return `${this.id} is running already, as ${this.runId}`
  }
}

/** The database, or a service behind this one, does not answer. Try again. */
export class Unavailable extends Schema.TaggedError<Unavailable>("services/Unavailable")(
  "Unavailable",
  { reason: Schema.String },
  { httpApiStatus: 503 }
) {
  override get message(): string {
    return this.reason
  }
}
