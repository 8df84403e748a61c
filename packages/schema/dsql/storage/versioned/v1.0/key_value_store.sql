-- KeyValueStore: the table that Effect's own SQL layer makes, whose rows either layer reads.

CREATE TABLE IF NOT EXISTS effect_key_value_store (
  id TEXT PRIMARY KEY,
  value BYTEA NOT NULL,
  value_type SMALLINT NOT NULL
);
