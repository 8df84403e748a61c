-- The event log's server: its identity, which sessions may speak for a public key, and the entries of each store in
-- the order in which they were committed. Whoever writes to a store moves its row in effect_events_stores, so of two
-- that write at once one is told to begin again, and no number is visible before those below it are.
--
-- An entry's id, a UUID that rises with time, stands behind its store in every key. key_id is the UUID made from the
-- SHA-256 of event and primary key, which together may be longer than a key of an index.

CREATE TABLE IF NOT EXISTS effect_remote_id (
  singleton SMALLINT PRIMARY KEY,
  remote_id BYTEA NOT NULL
);

CREATE TABLE IF NOT EXISTS effect_events_session_auth_bindings (
  public_key TEXT PRIMARY KEY,
  signing_public_key BYTEA NOT NULL
);

CREATE TABLE IF NOT EXISTS effect_events_stores (
  store_id TEXT PRIMARY KEY,
  next_sequence BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS effect_events (
  store_id TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  entry_id UUID NOT NULL,
  event TEXT NOT NULL,
  primary_key TEXT NOT NULL,
  key_id UUID NOT NULL,
  payload BYTEA NOT NULL,
  PRIMARY KEY (store_id, sequence)
);

CREATE UNIQUE INDEX ASYNC IF NOT EXISTS effect_events_entry ON effect_events (store_id, entry_id);

CREATE INDEX ASYNC IF NOT EXISTS effect_events_key ON effect_events (store_id, key_id, entry_id);
