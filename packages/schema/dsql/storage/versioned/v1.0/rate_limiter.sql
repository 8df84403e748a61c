-- RateLimiter. Times are milliseconds since 1970 by the database's clock, as fine as it tells them.

CREATE TABLE IF NOT EXISTS effect_rate_limiter (
  id TEXT NOT NULL,
  -- fixed-window or token-bucket
  algorithm VARCHAR(12) NOT NULL,
  -- Taken of the window, or left in the bucket.
  tokens DOUBLE PRECISION NOT NULL,
  -- When the window ends, or when the bucket was given its last token.
  at DOUBLE PRECISION NOT NULL,
  -- From when on the row says no more than if it were not there.
  idle_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (id, algorithm)
);

CREATE TABLE IF NOT EXISTS effect_rate_limiter_adaptive (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  -- Which write it was that left the state, for one whose answer was lost.
  written_by UUID NOT NULL,
  idle_at DOUBLE PRECISION NOT NULL
);
