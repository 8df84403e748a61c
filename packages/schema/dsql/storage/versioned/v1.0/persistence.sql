-- Persistence: encoded results by store and key, until they expire.
--
-- What has expired is deleted by an index on when it does. Keys that rise with time would all be written at one end of
-- that index, so each row has one of 16 slots, drawn anew whenever it is written.

CREATE TABLE IF NOT EXISTS effect_persistence (
  store_id TEXT NOT NULL,
  id TEXT NOT NULL,
  value TEXT NOT NULL,
  expires TIMESTAMPTZ NULL,
  slot SMALLINT NOT NULL,
  PRIMARY KEY (store_id, id)
);

CREATE INDEX ASYNC IF NOT EXISTS effect_persistence_expires ON effect_persistence (slot, expires);
