-- Tables of many types and states for sqlsmith: fresh, stale, grown, partitioned, inherited, behind views, and one
-- outside the store.  Small, for it joins without keys.  A value is a function of the row number.
\set ON_ERROR_STOP on
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS pg_strata;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN small AS integer CHECK (VALUE < 100000);
CREATE TYPE pair AS (x integer, y text);

CREATE TABLE numbers AS
  SELECT g::bigint AS id, (g % 7)::smallint AS i2, (g % 50 - 20)::integer AS i4, g * 1000003 % 100000000007 AS i8,
    (g % 65 / 8.0)::real AS f4, (g % 1001 / 8.0)::float8 AS f8, (g % 997 / 100.0)::numeric(12, 2) AS money2,
    CASE WHEN g % 13 = 0 THEN NULL ELSE (g % 100)::numeric END AS n, g % 3 = 0 AS b, (g % 90)::small AS dom,
    CASE WHEN g % 3 = 0 THEN (g % 11)::integer END AS i4_null
  FROM generate_series(1, 900) g;

CREATE TABLE texts AS
  SELECT g::integer AS id, (ARRAY['N', 'R', 'A', 'MAIL', '', 'é', 'b b'])[1 + g % 7] AS few,
    'row ' || g % 83 AS many, ('v' || g % 40)::varchar(10) AS v10, (ARRAY['x', 'y ', ''])[1 + g % 3]::char(8) AS c8,
    ('n' || g % 5)::name AS nm, CASE WHEN g % 4 <> 0 THEN repeat(md5((g % 9)::text), 1 + g % 40) END AS long_one,
    (ARRAY['a', 'B', 'ä'])[1 + g % 3] COLLATE "C" AS c
  FROM generate_series(1, 700) g;

CREATE TABLE times AS
  SELECT g::integer AS id, date '2020-01-01' + g % 365 AS d, timestamp '2020-01-01' + g * interval '7 hours' AS ts,
    timestamptz '2020-03-28 00:00+00' + g * interval '11 minutes' AS tz, g % 100 * interval '1 hour' AS iv,
    time '00:00' + g % 86400 * interval '1 minute' AS t, CASE WHEN g % 5 = 0 THEN 'infinity'::date END AS d_null
  FROM generate_series(1, 800) g;

CREATE TABLE others AS
  SELECT g::integer AS id, md5((g % 60)::text)::uuid AS u, decode(left(md5((g % 50)::text), 6), 'hex') AS by,
    '10.0.0.0'::inet + g % 300 AS ip, (ARRAY['sad', 'ok', 'happy'])[1 + g % 3]::mood AS m, ARRAY[g % 5, g % 3] AS a,
    ARRAY['t' || g % 4] AS ta, jsonb_build_object('k', g % 10, 's', 'v' || g % 5) AS j, int4range(g % 9, g % 9 + 3) AS r,
    ROW(g % 4, 'p')::pair AS p, (g % 2)::bit AS bt, (g % 30)::oid AS o
  FROM generate_series(1, 500) g;

CREATE TABLE orders (id integer PRIMARY KEY, customer integer, day date, status char(1), total numeric(12, 2),
  note varchar(40));
INSERT INTO orders SELECT g, g % 100, date '2021-01-01' + g % 300, substr('OFP', 1 + g % 3, 1), g % 9973 / 7.0, 'note ' || g % 17
  FROM generate_series(1, 1500) g;
CREATE TABLE lines (order_id integer REFERENCES orders, line smallint, part integer, quantity numeric(8, 2),
  price numeric(12, 2), discount numeric(4, 2), shipped date, mode text);
INSERT INTO lines SELECT g % 1500 + 1, (g % 4)::smallint, g % 211, g % 50, g % 9001 / 3.0, g % 11 / 100.0,
    CASE WHEN g % 19 <> 0 THEN date '2021-01-05' + g % 330 END, (ARRAY['AIR', 'RAIL', 'SHIP'])[1 + g % 3]
  FROM generate_series(1, 2500) g;

CREATE TABLE parts (id integer, kind text, v bigint) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (300);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (300) TO (600);
CREATE TABLE parts_3 PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT g, 'k' || g % 6, g::bigint * g FROM generate_series(1, 800) g;
CREATE TABLE parent (id integer, w text, x float8);
CREATE TABLE child (y integer) INHERITS (parent);
INSERT INTO parent SELECT g, 'w' || g % 9, g / 4.0 FROM generate_series(1, 300) g;
INSERT INTO child SELECT g, 'c' || g % 9, g / 4.0, g % 4 FROM generate_series(301, 500) g;
CREATE TABLE outside AS SELECT g::integer AS id, 'o' || g % 12 AS s, (g % 77)::numeric AS n FROM generate_series(1, 400) g;
CREATE TABLE empty_one (id integer, s text, n numeric);
CREATE VIEW summary AS SELECT customer, count(*) AS orders, sum(total) AS total FROM orders GROUP BY customer;
CREATE VIEW shipped WITH (security_barrier) AS SELECT order_id, part, price * (1 - discount) AS paid FROM lines WHERE shipped IS NOT NULL;

VACUUM ANALYZE;
SELECT strata.enable(c.oid::regclass) FROM pg_class c
  WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'outside' \g /dev/null
SELECT strata.populate(relid) FROM strata.enabled_tables \g /dev/null

-- What changed since: stale rows, rows gone, rows in the tail.
UPDATE numbers SET i4 = i4 + 1 WHERE id % 37 = 0;
DELETE FROM times WHERE id % 41 = 0;
INSERT INTO texts SELECT 1000 + g, 'new', 'row ' || g, 'v', 'z', 'n', NULL, 'q' FROM generate_series(1, 60) g;
UPDATE lines SET mode = 'TRUCK' WHERE part = 17;

-- The same rows in another order: what answers otherwise there depends on an order that nobody asked for.
CREATE SCHEMA shadow;
SELECT format('CREATE TABLE shadow.%I AS SELECT * FROM public.%1$I s ORDER BY hashtext(s::text), s::text DESC', relname) FROM pg_class
  WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') \gexec
CREATE VIEW shadow.summary AS SELECT customer, count(*) AS orders, sum(total) AS total FROM shadow.orders GROUP BY customer;
CREATE VIEW shadow.shipped AS SELECT order_id, part, price * (1 - discount) AS paid FROM shadow.lines WHERE shipped IS NOT NULL;
VACUUM ANALYZE;

-- Not superusers: sqlsmith calls every function that it may, and reads every table that it is shown.
CREATE ROLE fuzz LOGIN;
CREATE ROLE replay LOGIN IN ROLE fuzz;
REVOKE SELECT ON ALL TABLES IN SCHEMA strata FROM PUBLIC;
GRANT USAGE ON SCHEMA strata TO fuzz;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO fuzz;
GRANT USAGE ON SCHEMA shadow TO replay;
GRANT SELECT ON ALL TABLES IN SCHEMA shadow TO replay;
REVOKE EXECUTE ON FUNCTION pg_sleep, pg_sleep_for, pg_sleep_until, pg_notify, pg_cancel_backend, pg_terminate_backend, set_config(text, text, boolean),
  pg_advisory_lock(bigint), pg_advisory_lock_shared(bigint), pg_advisory_lock(integer, integer), pg_advisory_lock_shared(integer, integer)
  FROM PUBLIC;
