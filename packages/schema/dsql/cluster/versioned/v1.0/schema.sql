-- The storages of Effect Cluster on Aurora DSQL, version 1.0.
--
-- Several clusters share these tables: each has a prefix of its own, with which its shards begin
-- ("cluster/default:7"), and which goes into the hash of its messages' keys. Machine ids are
-- leased from one set for all of them, so that a Snowflake is that of one message in the database.
--
-- No key begins with a Snowflake, which rises with time: all writers would meet at one end of it.
-- A request is found by request_key, a permutation of its Snowflake.

-- Who holds which shard, and under which fence. The fence moves whenever the holder does, and never
-- back: a row stays. It is unique with the shard so that to move it changes a key, which conflicts
-- with FOR KEY SHARE, where to renew a lease does not.
CREATE TABLE IF NOT EXISTS cluster_shards (
  shard_id VARCHAR(255) NOT NULL,
  fence BIGINT NOT NULL,
  owner UUID NULL,
  address VARCHAR(255) NOT NULL,
  acquired_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (shard_id),
  UNIQUE (shard_id, fence)
);

-- What an incarnation holds, to give it all back. It is no part of a key: to move it conflicts with nobody.
CREATE INDEX ASYNC IF NOT EXISTS idx_cluster_shards_owner
  ON cluster_shards (owner);

-- The processes that run entities, each in the slot whose number is its machine id. One that has
-- left names no runner, and its slot stays taken until its lease is over.
CREATE TABLE IF NOT EXISTS cluster_runners (
  machine_id INTEGER NOT NULL,
  cluster VARCHAR(255) NOT NULL,
  owner UUID NOT NULL,
  address VARCHAR(255) NOT NULL,
  runner TEXT NULL,
  healthy BOOLEAN NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (machine_id)
);

-- An incarnation's own slot, to renew it.
CREATE INDEX ASYNC IF NOT EXISTS idx_cluster_runners_owner
  ON cluster_runners (owner);

-- A cluster's runners, by their addresses.
CREATE INDEX ASYNC IF NOT EXISTS idx_cluster_runners_cluster
  ON cluster_runners (cluster, address);

-- A workflow's run is suspended where its exit says that it waits: it is finished, and goes on when that
-- exit is cleared. Whoever does not know what became of the exit, and says it again, finds it cleared.
CREATE TABLE IF NOT EXISTS cluster_requests (
  request_key BIGINT NOT NULL,
  id BIGINT NOT NULL,
  shard_id VARCHAR(255) NOT NULL,
  entity_type VARCHAR(255) NOT NULL,
  entity_id VARCHAR(255) NOT NULL,
  tag VARCHAR(255) NOT NULL,
  payload TEXT NOT NULL,
  headers TEXT NOT NULL,
  trace_id VARCHAR(255) NULL,
  span_id VARCHAR(255) NULL,
  sampled BOOLEAN NULL,
  due_at BIGINT NOT NULL,
  key_hash UUID NULL,
  last_reply_id BIGINT NULL,
  cleared_reply_id BIGINT NULL,
  finished_at TIMESTAMPTZ NULL,
  suspended BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY (request_key)
);

-- An entity's requests, to forget them all.
CREATE INDEX ASYNC IF NOT EXISTS idx_cluster_requests_entity
  ON cluster_requests (shard_id, entity_type, entity_id, request_key);

-- A shard's finished requests, to forget the old ones. By shards, so that they are written at as many places.
CREATE INDEX ASYNC IF NOT EXISTS idx_cluster_requests_finished
  ON cluster_requests (shard_id, finished_at, request_key) WHERE finished_at IS NOT NULL;

-- The runs that wait to be woken, to count them: they may be few among millions that are finished.
CREATE INDEX ASYNC IF NOT EXISTS idx_cluster_requests_suspended
  ON cluster_requests (shard_id, request_key) WHERE suspended;

-- The keys by which requests are known, hashed.
CREATE TABLE IF NOT EXISTS cluster_keys (
  key_hash UUID NOT NULL,
  request_id BIGINT NOT NULL,
  request_key BIGINT NOT NULL,
  PRIMARY KEY (key_hash)
);

-- What waits, and nothing else: a request until it is decided, its interrupts and its last
-- acknowledgement until then. due_at is 0 where the message was due at once; since is when it came
-- to wait, which for a workflow's run that goes on is long after its request was made.
CREATE TABLE IF NOT EXISTS cluster_inbox (
  shard_id VARCHAR(255) NOT NULL,
  due_at BIGINT NOT NULL,
  request_id BIGINT NOT NULL,
  id BIGINT NOT NULL,
  kind SMALLINT NOT NULL,
  request_key BIGINT NOT NULL,
  reply_id BIGINT NULL,
  entity_type VARCHAR(255) NOT NULL,
  entity_id VARCHAR(255) NOT NULL,
  since TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (shard_id, due_at, request_id, id)
);

-- A request's replies: chunks by their number, and its exit, of which there is one, after them.
CREATE TABLE IF NOT EXISTS cluster_replies (
  request_key BIGINT NOT NULL,
  sequence INTEGER NOT NULL,
  id BIGINT NOT NULL,
  fence BIGINT NULL,
  payload TEXT NOT NULL,
  acked BOOLEAN NOT NULL,
  PRIMARY KEY (request_key, sequence)
);
