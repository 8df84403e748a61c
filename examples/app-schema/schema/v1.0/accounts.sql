CREATE TABLE accounts (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  email VARCHAR(320) NOT NULL,
  cents BIGINT NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX ASYNC accounts_email ON accounts (email);
