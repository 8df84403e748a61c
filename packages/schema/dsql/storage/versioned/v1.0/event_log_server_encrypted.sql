-- The event log's server, of logs that it cannot read: the batches of each store in the order in which they were
-- committed, and where each entry was stored first. Identity and signing keys are in event_log_server.sql.
--
-- A scope is the UUID made from the SHA-256 of a public key and the id of one of its stores. Whoever writes to it moves
-- its row in effect_events_scopes, so of two that write at once one is told to begin again. A batch holds the entries
-- from sequence to last_sequence, their ids of 16 bytes one behind the other.

CREATE TABLE IF NOT EXISTS effect_events_scopes (
  scope UUID PRIMARY KEY,
  next_sequence BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS effect_events_batches (
  scope UUID NOT NULL,
  last_sequence BIGINT NOT NULL,
  sequence BIGINT NOT NULL,
  iv BYTEA NOT NULL,
  entry_ids BYTEA NOT NULL,
  encrypted_batch BYTEA NOT NULL,
  PRIMARY KEY (scope, last_sequence)
);

CREATE TABLE IF NOT EXISTS effect_events_ids (
  scope UUID NOT NULL,
  entry_id UUID NOT NULL,
  sequence BIGINT NOT NULL,
  PRIMARY KEY (scope, entry_id)
);
