-- EventJournal: entries in the order in which they were committed. Whoever writes moves the one row of the head, so of
-- two that write at once one begins again, and an upload never goes past an entry that is yet to come.
--
-- An entry's id, a UUID that rises with time, and its number stand behind one of 16 slots, its last four bits. key_id
-- is the UUID made from the SHA-256 of event and primary key.

CREATE TABLE IF NOT EXISTS effect_event_journal (
  slot SMALLINT NOT NULL,
  id UUID NOT NULL,
  sequence BIGINT NOT NULL,
  event TEXT NOT NULL,
  primary_key TEXT NOT NULL,
  key_id UUID NOT NULL,
  payload BYTEA NOT NULL,
  remote_id UUID NULL,
  PRIMARY KEY (slot, id)
);

CREATE INDEX ASYNC IF NOT EXISTS effect_event_journal_sequence ON effect_event_journal (slot, sequence);

CREATE INDEX ASYNC IF NOT EXISTS effect_event_journal_key ON effect_event_journal (key_id, id);

CREATE TABLE IF NOT EXISTS effect_event_journal_head (
  singleton SMALLINT PRIMARY KEY,
  next_sequence BIGINT NOT NULL,
  latest_id UUID NOT NULL
);

-- How far each remote has been uploaded to, and downloaded from.
CREATE TABLE IF NOT EXISTS effect_event_remotes (
  remote_id UUID PRIMARY KEY,
  checkpoint BIGINT NOT NULL DEFAULT 0,
  next_sequence BIGINT NOT NULL DEFAULT 0
);
