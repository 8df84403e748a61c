-- KeyValueStore. The first three columns are those of Effect's own table; the fourth is moved by every write, so that
-- what was read, changed and written back is written only over what was read.

CREATE TABLE IF NOT EXISTS effect_key_value_store (
  id TEXT PRIMARY KEY,
  value BYTEA NOT NULL,
  value_type SMALLINT NOT NULL,
  revision UUID NOT NULL DEFAULT gen_random_uuid()
);
