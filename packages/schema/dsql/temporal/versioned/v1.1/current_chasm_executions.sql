-- The current execution of every archetype but Workflow, which stays in current_executions.
--
-- Derived from Temporal's PostgreSQL schema version 1.19 (schema/postgresql/v12/temporal), where
-- the ids are BYTEA; here they are UUID. No CHECK keeps Workflow's archetype_id out: the store
-- decides by archetype which of the two tables a row belongs to.

CREATE TABLE IF NOT EXISTS current_chasm_executions (
  shard_id INTEGER NOT NULL,
  namespace_id UUID NOT NULL,
  business_id VARCHAR(255) NOT NULL,
  archetype_id BIGINT NOT NULL,
  run_id UUID NOT NULL,
  create_request_id VARCHAR(255) NOT NULL,
  state INTEGER NOT NULL,
  status INTEGER NOT NULL,
  start_version BIGINT NOT NULL DEFAULT 0,
  start_time TIMESTAMP NULL,
  last_write_version BIGINT NOT NULL,
  data BYTEA NULL,
  data_encoding VARCHAR(16) NOT NULL DEFAULT '',
  PRIMARY KEY (shard_id, namespace_id, business_id, archetype_id)
);
