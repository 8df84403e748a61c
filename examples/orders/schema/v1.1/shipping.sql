ALTER TABLE orders ADD COLUMN shipped TIMESTAMPTZ;

CREATE TABLE desks (
  name VARCHAR(50) PRIMARY KEY,
  epoch BIGINT NOT NULL
);

INSERT INTO desks (name, epoch) VALUES ('main', 0);
