ALTER TABLE accounts ADD COLUMN name VARCHAR(200);

UPDATE accounts SET name = split_part(email, '@', 1) WHERE name IS NULL;
