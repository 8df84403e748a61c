CREATE TABLE orders (
  id UUID PRIMARY KEY,
  customer VARCHAR(200) NOT NULL,
  item VARCHAR(100) NOT NULL,
  quantity INTEGER NOT NULL,
  placed TIMESTAMPTZ NOT NULL
);

CREATE INDEX ASYNC orders_customer ON orders (customer);

CREATE TABLE stock (
  item VARCHAR(100) PRIMARY KEY,
  available INTEGER NOT NULL
);

INSERT INTO stock (item, available) VALUES ('tea', 100), ('coffee', 1);
