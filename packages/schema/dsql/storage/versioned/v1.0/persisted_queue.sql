-- PersistedQueue. A job lies in one of 64 buckets by a hash of its id: workers who begin at different ones do not meet,
-- and the index, whose times rise, ends in 64 places of each queue instead of one.

CREATE TABLE IF NOT EXISTS effect_queue (
  queue_name VARCHAR(255) NOT NULL,
  bucket INTEGER NOT NULL,
  id VARCHAR(255) NOT NULL,
  -- pending, completed or failed
  state VARCHAR(9) NOT NULL,
  -- Pending: from when on it may be claimed, which for one that is claimed is the end of its lease. Else: since when.
  visible_at TIMESTAMPTZ NOT NULL,
  attempts INTEGER NOT NULL,
  -- Who may settle it: another one each time that it is claimed.
  claim UUID,
  element TEXT NOT NULL,
  last_failure TEXT,
  created_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (queue_name, bucket, id)
);

CREATE INDEX ASYNC IF NOT EXISTS idx_effect_queue_due ON effect_queue (queue_name, state, bucket, visible_at);
