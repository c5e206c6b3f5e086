-- A small star schema after the manner of TPC-DS: two fact tables of sales, one of them partitioned by date, returns, inventory,
-- and their dimensions.  All values come from hashes of row and column, so each load makes the same rows.
CREATE SCHEMA ds;
SET search_path = ds;

-- A number from 0 to n - 1 that belongs to a row and a column.
CREATE FUNCTION pick(row_number bigint, col int, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (hashint8extended(row_number, col) & 9223372036854775807) % n;

CREATE TABLE date_dim (
  d_date_sk integer PRIMARY KEY, d_date date NOT NULL, d_week_seq integer NOT NULL, d_month_seq integer NOT NULL, d_year integer NOT NULL,
  d_dow integer NOT NULL, d_moy integer NOT NULL, d_dom integer NOT NULL, d_qoy integer NOT NULL, d_day_name char(9) NOT NULL,
  d_weekend char(1) NOT NULL);
INSERT INTO date_dim
SELECT 2450815 + g, d, g / 7, (extract(year FROM d) - 1998) * 12 + extract(month FROM d), extract(year FROM d), extract(dow FROM d),
  extract(month FROM d), extract(day FROM d), extract(quarter FROM d), to_char(d, 'FMDay'), CASE WHEN extract(dow FROM d) IN (0, 6) THEN 'Y' ELSE 'N' END
FROM generate_series(0, 1825) g, LATERAL (SELECT date '1998-01-01' + g AS d) x;

CREATE TABLE item (
  i_item_sk integer PRIMARY KEY, i_item_id char(16) NOT NULL, i_item_desc varchar(200), i_current_price numeric(7,2), i_wholesale_cost numeric(7,2),
  i_brand_id integer, i_brand char(50), i_class_id integer, i_class char(50), i_category_id integer, i_category char(50), i_manufact_id integer,
  i_size char(20), i_color char(20), i_units char(10));
INSERT INTO item
SELECT g, 'AAAAAAAA' || lpad((g / 2)::text, 8, '0'),
  CASE WHEN pick(g, 1, 20) > 0 THEN 'Item of ' || (ARRAY['good', 'great', 'special', 'able', 'young', 'old'])[1 + pick(g, 2, 6)] || ' ' || g || repeat(' quality', pick(g, 3, 8)::int) END,
  nullif(pick(g, 4, 10000), 7) / 100.0, pick(g, 5, 8000) / 100.0, pick(g, 6, 40), 'brand #' || pick(g, 6, 40), pick(g, 7, 12), 'class ' || pick(g, 7, 12),
  pick(g, 8, 11), nullif((ARRAY['Books', 'Children', 'Electronics', 'Home', 'Jewelry', 'Men', 'Music', 'Shoes', 'Sports', 'Women', ''])[1 + pick(g, 8, 11)], ''),
  pick(g, 9, 100), (ARRAY['small', 'medium', 'large', 'extra large', 'petite', 'N/A'])[1 + pick(g, 10, 6)],
  (ARRAY['red', 'orange', 'blue', 'green', 'navajo', 'orchid', 'peach', 'slate', 'misty', 'khaki'])[1 + pick(g, 11, 10)], (ARRAY['Each', 'Dozen', 'Case', 'Pound'])[1 + pick(g, 12, 4)]
FROM generate_series(1, 1000) g;

CREATE TABLE customer (
  c_customer_sk integer PRIMARY KEY, c_customer_id char(16) NOT NULL, c_current_addr_sk integer, c_first_name char(20), c_last_name char(30),
  c_preferred_cust_flag char(1), c_birth_month integer, c_birth_year integer, c_birth_country varchar(20), c_email_address char(50));
INSERT INTO customer
SELECT g, 'C' || lpad(g::text, 15, '0'), nullif(pick(g, 1, 1001), 0), (ARRAY['Anna', 'Ben', 'Clara', 'David', 'Eva', 'Frank', NULL])[1 + pick(g, 2, 7)],
  (ARRAY['Smith', 'Jones', 'Garcia', 'Miller', 'O''Neil', 'Zhou'])[1 + pick(g, 3, 6)] || CASE WHEN g % 3 = 0 THEN ' jr' ELSE '' END,
  nullif((ARRAY['Y', 'N', ''])[1 + pick(g, 4, 3)], ''), 1 + pick(g, 5, 12), 1924 + pick(g, 6, 69),
  (ARRAY['CANADA', 'MEXICO', 'GERMANY', 'TOGO', 'JAPAN', NULL])[1 + pick(g, 7, 6)], 'c' || g || '@' || (ARRAY['example.com', 'example.org', 'example.net'])[1 + pick(g, 8, 3)]
FROM generate_series(1, 2000) g;

-- The tests leave this one out of the column store.
CREATE TABLE customer_address (
  ca_address_sk integer PRIMARY KEY, ca_city varchar(60), ca_county varchar(30), ca_state char(2), ca_zip char(10), ca_country varchar(20), ca_gmt_offset numeric(5,2));
INSERT INTO customer_address
SELECT g, (ARRAY['Fairview', 'Midway', 'Oakland', 'Riverside', 'Union', 'Salem'])[1 + pick(g, 1, 6)], 'county ' || pick(g, 2, 30),
  (ARRAY['CA', 'TX', 'OH', 'GA', 'NE', 'TN', NULL])[1 + pick(g, 3, 7)], lpad(pick(g, 4, 100000)::text, 5, '0'), 'United States', -5 - pick(g, 5, 4)
FROM generate_series(1, 1000) g;

CREATE TABLE store (
  s_store_sk integer PRIMARY KEY, s_store_id char(16) NOT NULL, s_store_name varchar(50), s_state char(2), s_county varchar(30), s_gmt_offset numeric(5,2), s_number_employees integer);
INSERT INTO store
SELECT g, 'S' || g, (ARRAY['ought', 'able', 'pri', 'ese', 'anti', 'cally'])[1 + g % 6], (ARRAY['CA', 'TX', 'OH'])[1 + g % 3], 'county ' || g % 4, -5 - g % 3, 200 + pick(g, 1, 100)
FROM generate_series(1, 12) g;

CREATE TABLE promotion (p_promo_sk integer PRIMARY KEY, p_promo_name char(50), p_channel_email char(1), p_channel_event char(1), p_cost numeric(15,2));
INSERT INTO promotion
SELECT g, 'promo ' || g, CASE WHEN g % 3 = 0 THEN 'Y' ELSE 'N' END, CASE WHEN g % 4 = 0 THEN 'Y' ELSE 'N' END, 1000 + g FROM generate_series(1, 50) g;

CREATE TABLE store_sales (
  ss_sold_date_sk integer, ss_sold_time_sk integer, ss_item_sk integer NOT NULL, ss_customer_sk integer, ss_store_sk integer, ss_promo_sk integer,
  ss_ticket_number bigint NOT NULL, ss_quantity integer, ss_wholesale_cost numeric(7,2), ss_list_price numeric(7,2), ss_sales_price numeric(7,2),
  ss_ext_discount_amt numeric(7,2), ss_ext_sales_price numeric(7,2), ss_coupon_amt numeric(7,2), ss_net_paid numeric(7,2), ss_net_profit numeric(7,2))
  PARTITION BY RANGE (ss_sold_date_sk);
CREATE TABLE store_sales_1998 PARTITION OF store_sales FOR VALUES FROM (2450815) TO (2451180);
CREATE TABLE store_sales_1999 PARTITION OF store_sales FOR VALUES FROM (2451180) TO (2451545);
CREATE TABLE store_sales_2000 PARTITION OF store_sales FOR VALUES FROM (2451545) TO (2451911);
CREATE TABLE store_sales_2001 PARTITION OF store_sales FOR VALUES FROM (2451911) TO (2452276);
CREATE TABLE store_sales_rest PARTITION OF store_sales DEFAULT;
INSERT INTO store_sales
SELECT nullif(2450814 + pick(t, 1, 1827), 2450814), pick(t, 2, 86400), 1 + pick(g, 3, 1000), nullif(pick(t, 4, 2001), 0), nullif(pick(t, 5, 13), 0),
  nullif(pick(g, 6, 120), 0) % 51 + 1, t, nullif(pick(g, 7, 101), 100), w, l, s, d, q * s, c, q * s - c, q * (s - w) - c
FROM generate_series(1, 60000) g, LATERAL (SELECT (g + 4) / 5 AS t, pick(g, 7, 100) AS q, 1 + pick(g, 8, 9900) / 100.0 AS w) a,
  LATERAL (SELECT round(w * (1 + pick(g, 9, 100) / 100.0), 2) AS l) b,
  LATERAL (SELECT round(l * pick(g, 10, 101) / 100.0, 2) AS s, CASE WHEN pick(g, 11, 10) = 0 THEN 5.5 ELSE 0 END AS d,
    CASE WHEN pick(g, 12, 8) = 0 THEN pick(g, 13, 5000) / 100.0 ELSE 0 END AS c) e;

CREATE TABLE store_returns (
  sr_returned_date_sk integer, sr_item_sk integer NOT NULL, sr_customer_sk integer, sr_store_sk integer, sr_ticket_number bigint NOT NULL,
  sr_return_quantity integer, sr_return_amt numeric(7,2), sr_reason varchar(20));
INSERT INTO store_returns
SELECT ss_sold_date_sk + 1 + pick(ss_ticket_number, 20, 60), ss_item_sk, CASE WHEN pick(ss_ticket_number, 21, 10) > 0 THEN ss_customer_sk END, ss_store_sk, ss_ticket_number,
  1 + ss_quantity / 3, ss_ext_sales_price / 3, (ARRAY['broken', 'wrong size', 'not liked', NULL])[1 + pick(ss_ticket_number * 7 + ss_item_sk, 22, 4)]
FROM store_sales WHERE pick(ss_ticket_number * 1000 + ss_item_sk, 23, 10) = 0;

CREATE TABLE web_sales (
  ws_sold_date_sk integer, ws_ship_date_sk integer, ws_item_sk integer NOT NULL, ws_bill_customer_sk integer, ws_promo_sk integer, ws_order_number bigint NOT NULL,
  ws_quantity integer, ws_list_price numeric(7,2), ws_sales_price numeric(7,2), ws_ext_sales_price numeric(7,2), ws_net_paid numeric(7,2), ws_net_profit numeric(7,2));
INSERT INTO web_sales
SELECT d, d + 2 + pick(g, 2, 118), 1 + pick(g, 3, 1000), nullif(pick(o, 4, 2001), 0), 1 + pick(g, 5, 50), o, q, l, s, q * s, q * s * 0.9, q * (s - l / 2)
FROM generate_series(1, 30000) g, LATERAL (SELECT (g + 9) / 10 AS o, 1 + pick(g, 6, 99) AS q, 1 + pick(g, 7, 9900) / 100.0 AS l) a,
  LATERAL (SELECT nullif(2450814 + pick(o, 1, 1827), 2450814) AS d, round(l * pick(g, 8, 101) / 100.0, 2) AS s) b;

CREATE TABLE inventory (inv_date_sk integer NOT NULL, inv_item_sk integer NOT NULL, inv_quantity_on_hand integer, PRIMARY KEY (inv_date_sk, inv_item_sk));
INSERT INTO inventory
SELECT 2451545 + 7 * w, i, nullif(pick(w * 1000 + i, 1, 1001), 1000) FROM generate_series(0, 25) w, generate_series(1, 1000) i;
