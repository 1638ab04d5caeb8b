-- SPDX-License-Identifier: Apache-2.0
-- The same job in PostgreSQL. fillfactor leaves room on each page, so that an update of a row stays
-- on its page and touches no index (HOT).
CREATE TABLE items (
    sku text PRIMARY KEY,
    available integer NOT NULL CHECK (available >= 0)
) WITH (fillfactor = 50);
CREATE TABLE reservations (
    id text PRIMARY KEY,
    sku text NOT NULL,
    quantity integer NOT NULL,
    state text NOT NULL,
    deadline timestamptz NOT NULL
) WITH (fillfactor = 70);
INSERT INTO items SELECT 'SKU-' || lpad(n::text, 7, '0'), 100000000
FROM generate_series(0, :items - 1) n;
VACUUM ANALYZE items;
