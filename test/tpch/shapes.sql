-- Questions over the star schema of star.sql in the variety of those of TPC-DS; the text is our own.  "-- name" stands
-- above each.  Each says its order in full, unless "any order" is said beside its name.

-- star_brand_year
SELECT d_year, i_brand_id, i_brand, sum(ss_ext_sales_price) AS sum_agg
FROM date_dim, store_sales, item
WHERE d_date_sk = ss_sold_date_sk AND ss_item_sk = i_item_sk AND i_manufact_id BETWEEN 20 AND 40 AND d_moy = 11
GROUP BY d_year, i_brand, i_brand_id
ORDER BY d_year, sum_agg DESC, i_brand_id
LIMIT 100;

-- returns_above_store_average
WITH ctr AS (
  SELECT sr_customer_sk AS customer, sr_store_sk AS store, sum(sr_return_amt) AS total
  FROM store_returns, date_dim WHERE sr_returned_date_sk = d_date_sk AND d_year = 2000 GROUP BY sr_customer_sk, sr_store_sk)
SELECT c_customer_id FROM ctr c1, store, ds.customer
WHERE total > (SELECT avg(total) * 1.2 FROM ctr c2 WHERE c1.store = c2.store) AND s_store_sk = store AND s_state = 'TX' AND customer = c_customer_sk
ORDER BY c_customer_id LIMIT 100;

-- weekly_by_day_pivot
SELECT d_week_seq,
  sum(CASE WHEN d_dow = 0 THEN ss_sales_price END) AS sun, sum(CASE WHEN d_dow = 1 THEN ss_sales_price END) AS mon,
  sum(CASE WHEN d_dow = 5 THEN ss_sales_price ELSE 0 END) AS fri, sum(CASE WHEN d_dow = 6 THEN ss_sales_price ELSE 0 END) AS sat
FROM store_sales JOIN date_dim ON d_date_sk = ss_sold_date_sk
WHERE d_year = 1999 GROUP BY d_week_seq ORDER BY d_week_seq;

-- year_over_year_self_join
WITH y AS (
  SELECT c_customer_id AS id, d_year AS year, sum(ss_net_paid) AS total
  FROM customer, store_sales, date_dim WHERE c_customer_sk = ss_customer_sk AND ss_sold_date_sk = d_date_sk AND d_year IN (1999, 2000) GROUP BY c_customer_id, d_year)
SELECT a.id, a.total, b.total, round(b.total / a.total, 4) AS growth
FROM y a JOIN y b ON a.id = b.id
WHERE a.year = 1999 AND b.year = 2000 AND a.total > 0 AND b.total > a.total
ORDER BY growth DESC, a.id LIMIT 50;

-- two_channels_growth
WITH t AS (
  SELECT ss_customer_sk AS cust, d_year AS year, sum(ss_net_paid) AS total, 's' AS channel
  FROM store_sales JOIN date_dim ON ss_sold_date_sk = d_date_sk WHERE ss_customer_sk < 300 GROUP BY ss_customer_sk, d_year
  UNION ALL
  SELECT ws_bill_customer_sk, d_year, sum(ws_net_paid), 'w' FROM web_sales JOIN date_dim ON ws_sold_date_sk = d_date_sk WHERE ws_bill_customer_sk < 300
  GROUP BY ws_bill_customer_sk, d_year)
SELECT s1.cust, s1.total, w1.total FROM t s1, t s2, t w1, t w2
WHERE s1.cust = s2.cust AND s1.cust = w1.cust AND s1.cust = w2.cust AND s1.channel = 's' AND s2.channel = 's' AND w1.channel = 'w' AND w2.channel = 'w'
  AND s1.year = 2000 AND s2.year = 2001 AND w1.year = 2000 AND w2.year = 2001 AND s1.total > 0 AND w1.total > 0
  AND w2.total / w1.total > s2.total / s1.total
ORDER BY s1.cust;

-- rollup_channels
SELECT channel, id, sum(sales) AS sales, sum(profit) AS profit
FROM (
  SELECT 'store' AS channel, 'S' || ss_store_sk AS id, ss_ext_sales_price AS sales, ss_net_profit AS profit FROM store_sales, date_dim
  WHERE ss_sold_date_sk = d_date_sk AND d_date BETWEEN date '2000-08-23' AND date '2000-08-23' + 14
  UNION ALL
  SELECT 'web', 'P' || ws_promo_sk, ws_ext_sales_price, ws_net_profit FROM web_sales, date_dim
  WHERE ws_sold_date_sk = d_date_sk AND d_date BETWEEN date '2000-08-23' AND date '2000-08-23' + 14) x
GROUP BY ROLLUP (channel, id) ORDER BY channel NULLS LAST, id NULLS LAST, sales LIMIT 100;

-- rollup_four
SELECT i_category, i_class, d_year, d_qoy, sum(ss_sales_price * ss_quantity) AS s, grouping(i_category, i_class, d_year, d_qoy) AS g
FROM store_sales, date_dim, item WHERE ss_sold_date_sk = d_date_sk AND ss_item_sk = i_item_sk AND d_year IN (1999, 2001) AND i_class_id < 4
GROUP BY ROLLUP (i_category, i_class, d_year, d_qoy) ORDER BY g, i_category, i_class, d_year, d_qoy, s;

-- cube_two
SELECT s_state, d_year, count(*) AS n, sum(ss_net_profit) AS profit, avg(ss_quantity) AS q
FROM store_sales JOIN store ON ss_store_sk = s_store_sk JOIN date_dim ON ss_sold_date_sk = d_date_sk
GROUP BY CUBE (s_state, d_year) ORDER BY s_state NULLS LAST, d_year NULLS LAST, n;

-- grouping_sets
SELECT i_color, i_size, i_units, count(*), min(i_current_price), max(i_wholesale_cost)
FROM item GROUP BY GROUPING SETS ((i_color), (i_size, i_units), ()) ORDER BY 1, 2, 3, 4;

-- grouping_sets_fact
SELECT ss_store_sk, ss_promo_sk, sum(ss_quantity), count(ss_quantity), count(*)
FROM store_sales WHERE ss_promo_sk < 6 OR ss_promo_sk IS NULL GROUP BY GROUPING SETS ((ss_store_sk, ss_promo_sk), (ss_store_sk), (ss_promo_sk), ())
ORDER BY ss_store_sk NULLS FIRST, ss_promo_sk NULLS FIRST, 5;

-- window_share_of_class
SELECT i_item_id, i_category, i_class, sum(ws_ext_sales_price) AS revenue,
  round(sum(ws_ext_sales_price) * 100 / sum(sum(ws_ext_sales_price)) OVER (PARTITION BY i_class), 6) AS ratio
FROM web_sales, item, date_dim
WHERE ws_item_sk = i_item_sk AND i_category IN ('Sports', 'Books', 'Home') AND ws_sold_date_sk = d_date_sk AND d_date BETWEEN date '1999-02-22' AND date '1999-02-22' + 90
GROUP BY i_item_id, i_category, i_class HAVING sum(ws_ext_sales_price) > 0 ORDER BY i_category, i_class, i_item_id, ratio;

-- window_rank_top_per_group
SELECT * FROM (
  SELECT i_category, i_item_sk, sum(ss_sales_price) AS s, rank() OVER (PARTITION BY i_category ORDER BY sum(ss_sales_price) DESC, i_item_sk) AS r
  FROM store_sales JOIN item ON ss_item_sk = i_item_sk GROUP BY i_category, i_item_sk) x
WHERE r <= 5 ORDER BY i_category NULLS LAST, r;

-- window_rollup_rank
SELECT sum(ss_net_profit) AS p, s_state, s_county, grouping(s_state) + grouping(s_county) AS lochierarchy,
  rank() OVER (PARTITION BY grouping(s_state) + grouping(s_county), CASE WHEN grouping(s_county) = 0 THEN s_state END ORDER BY sum(ss_net_profit) DESC) AS r
FROM store_sales, date_dim, store WHERE d_month_seq BETWEEN 13 AND 24 AND d_date_sk = ss_sold_date_sk AND s_store_sk = ss_store_sk
GROUP BY ROLLUP (s_state, s_county) ORDER BY lochierarchy DESC, s_state, r, s_county;

-- window_cumulative
WITH d AS (SELECT ss_item_sk AS i, ss_sold_date_sk AS d, sum(ss_sales_price) AS s FROM store_sales WHERE ss_item_sk < 30 AND ss_sold_date_sk < 2451180 GROUP BY 1, 2)
SELECT i, d, s, sum(s) OVER (PARTITION BY i ORDER BY d ROWS UNBOUNDED PRECEDING) AS c, max(s) OVER (PARTITION BY i ORDER BY d ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS m
FROM d ORDER BY i, d;

-- window_monthly_deviation
SELECT * FROM (
  SELECT i_category, i_class, d_moy, sum(ss_sales_price) AS s, avg(sum(ss_sales_price)) OVER (PARTITION BY i_category, i_class) AS a
  FROM item, store_sales, date_dim WHERE ss_item_sk = i_item_sk AND ss_sold_date_sk = d_date_sk AND d_year = 2000 GROUP BY i_category, i_class, d_moy) x
WHERE CASE WHEN a <> 0 THEN abs(s - a) / a END > 0.3 ORDER BY s - a, i_category, i_class, d_moy LIMIT 100;

-- window_lag_lead
WITH v AS (
  SELECT i_category, d_year, d_moy, sum(ss_sales_price) AS s, row_number() OVER (PARTITION BY i_category ORDER BY d_year, d_moy) AS rn
  FROM item, store_sales, date_dim WHERE ss_item_sk = i_item_sk AND ss_sold_date_sk = d_date_sk GROUP BY i_category, d_year, d_moy)
SELECT v.i_category, v.d_year, v.d_moy, v.s, p.s AS before, n.s AS after
FROM v JOIN v p ON v.i_category = p.i_category AND v.rn = p.rn + 1 JOIN v n ON v.i_category = n.i_category AND v.rn = n.rn - 1
WHERE v.d_year = 2000 ORDER BY 1, 2, 3;

-- window_ntile_percentile
SELECT q, count(*), min(total), max(total) FROM (
  SELECT ss_customer_sk, sum(ss_net_paid) AS total, ntile(10) OVER (ORDER BY sum(ss_net_paid), ss_customer_sk) AS q FROM store_sales GROUP BY ss_customer_sk) x
GROUP BY q ORDER BY q;

-- exists_and_not_exists
SELECT count(*), sum(c_birth_year) FROM customer c
WHERE EXISTS (SELECT FROM store_sales, date_dim WHERE c.c_customer_sk = ss_customer_sk AND ss_sold_date_sk = d_date_sk AND d_year = 2001 AND d_moy < 5)
  AND NOT EXISTS (SELECT FROM web_sales, date_dim WHERE c.c_customer_sk = ws_bill_customer_sk AND ws_sold_date_sk = d_date_sk AND d_year = 2001);

-- exists_or
SELECT c_birth_country, count(*) FROM customer c
WHERE EXISTS (SELECT FROM store_returns WHERE sr_customer_sk = c.c_customer_sk AND sr_return_quantity > 25)
  OR EXISTS (SELECT FROM web_sales WHERE ws_bill_customer_sk = c.c_customer_sk AND ws_net_profit > 7000)
GROUP BY c_birth_country ORDER BY 1;

-- orders_with_two_items_not_returned
SELECT count(DISTINCT ws_order_number) AS n, sum(ws_net_profit) AS p FROM web_sales ws1
WHERE ws_ship_date_sk BETWEEN 2451211 AND 2451220
  AND EXISTS (SELECT FROM web_sales ws2 WHERE ws1.ws_order_number = ws2.ws_order_number AND ws1.ws_promo_sk <> ws2.ws_promo_sk)
  AND NOT EXISTS (SELECT FROM store_returns WHERE sr_ticket_number = ws_order_number AND sr_item_sk = ws_item_sk);

-- in_subquery_states
SELECT s_store_name, sum(ss_net_profit) FROM store_sales, store
WHERE ss_store_sk = s_store_sk AND s_state IN (SELECT ca_state FROM customer_address GROUP BY ca_state HAVING count(*) > 100)
GROUP BY s_store_name ORDER BY s_store_name;

-- in_subquery_customers
SELECT count(*), sum(ss_quantity) FROM store_sales
WHERE ss_customer_sk IN (SELECT ws_bill_customer_sk FROM web_sales WHERE ws_quantity > 97) AND ss_item_sk IN (SELECT i_item_sk FROM item WHERE i_category = 'Music');

-- not_in_with_nulls
SELECT count(*) FROM customer WHERE c_customer_sk NOT IN (SELECT sr_customer_sk FROM store_returns WHERE sr_return_quantity > 30);

-- not_in_without_nulls
SELECT count(*), min(c_last_name) FROM customer WHERE c_customer_sk NOT IN (SELECT sr_customer_sk FROM store_returns WHERE sr_customer_sk IS NOT NULL AND sr_return_quantity > 30);

-- correlated_average_price
SELECT ca_state, count(*) AS cnt FROM customer_address a, customer c, store_sales s, date_dim d, item i
WHERE a.ca_address_sk = c.c_current_addr_sk AND c.c_customer_sk = s.ss_customer_sk AND s.ss_sold_date_sk = d.d_date_sk AND s.ss_item_sk = i.i_item_sk
  AND d.d_month_seq = (SELECT DISTINCT d_month_seq FROM date_dim WHERE d_year = 2001 AND d_moy = 1)
  AND i.i_current_price > 1.2 * (SELECT avg(j.i_current_price) FROM item j WHERE j.i_category = i.i_category)
GROUP BY ca_state HAVING count(*) >= 3 ORDER BY cnt, ca_state;

-- correlated_discount
SELECT sum(ws_net_profit) FROM web_sales, item, date_dim
WHERE i_manufact_id < 10 AND i_item_sk = ws_item_sk AND d_date BETWEEN date '2000-01-27' AND date '2000-01-27' + 90 AND d_date_sk = ws_sold_date_sk
  AND ws_ext_sales_price > (SELECT 1.3 * avg(ws_ext_sales_price) FROM web_sales w, date_dim d
    WHERE w.ws_item_sk = i_item_sk AND d.d_date BETWEEN date '2000-01-27' AND date '2000-01-27' + 90 AND d.d_date_sk = w.ws_sold_date_sk);

-- correlated_scalar_in_list
SELECT s_store_id, (SELECT count(*) FROM store_sales WHERE ss_store_sk = s_store_sk AND ss_quantity > 90) AS big,
  (SELECT max(sr_return_amt) FROM store_returns WHERE sr_store_sk = s_store_sk) AS worst FROM store ORDER BY s_store_id;

-- intersect_customers
SELECT count(*) FROM (
  SELECT DISTINCT c_last_name, c_first_name, d_date FROM store_sales, date_dim, customer WHERE ss_sold_date_sk = d_date_sk AND ss_customer_sk = c_customer_sk AND d_month_seq BETWEEN 13 AND 24
  INTERSECT
  SELECT DISTINCT c_last_name, c_first_name, d_date FROM web_sales, date_dim, customer WHERE ws_sold_date_sk = d_date_sk AND ws_bill_customer_sk = c_customer_sk AND d_month_seq BETWEEN 13 AND 24) x;

-- except_customers
SELECT ss_customer_sk FROM store_sales WHERE ss_quantity > 80 EXCEPT SELECT ws_bill_customer_sk FROM web_sales WHERE ws_quantity > 50 ORDER BY 1;

-- except_all_intersect_all
(SELECT i_brand_id, i_class_id FROM item EXCEPT ALL SELECT i_brand_id, i_class_id FROM item WHERE i_current_price < 50)
INTERSECT ALL SELECT i_brand_id, i_class_id FROM item WHERE i_item_sk % 2 = 0 ORDER BY 1, 2;

-- union_distinct
SELECT ss_item_sk AS item FROM store_sales WHERE ss_sales_price > 180 UNION SELECT ws_item_sk FROM web_sales WHERE ws_sales_price > 99 ORDER BY item;

-- count_distinct_many
SELECT d_year, count(DISTINCT ss_customer_sk), count(DISTINCT ss_item_sk), count(DISTINCT ss_ticket_number), sum(DISTINCT ss_quantity), avg(DISTINCT ss_store_sk)
FROM store_sales JOIN date_dim ON ss_sold_date_sk = d_date_sk GROUP BY d_year ORDER BY d_year;

-- count_distinct_text
SELECT i_category, count(DISTINCT i_brand), count(DISTINCT i_color), count(*) FROM item GROUP BY i_category ORDER BY 1;

-- buckets_by_quantity
SELECT CASE WHEN (SELECT count(*) FROM store_sales WHERE ss_quantity BETWEEN 1 AND 20) > 10000 THEN (SELECT avg(ss_ext_discount_amt) FROM store_sales WHERE ss_quantity BETWEEN 1 AND 20)
    ELSE (SELECT avg(ss_net_profit) FROM store_sales WHERE ss_quantity BETWEEN 1 AND 20) END AS b1,
  CASE WHEN (SELECT count(*) FROM store_sales WHERE ss_quantity BETWEEN 21 AND 40) > 100000 THEN (SELECT avg(ss_ext_discount_amt) FROM store_sales WHERE ss_quantity BETWEEN 21 AND 40)
    ELSE (SELECT avg(ss_net_profit) FROM store_sales WHERE ss_quantity BETWEEN 21 AND 40) END AS b2;

-- case_shipping_days
SELECT i_units, sum(CASE WHEN ws_ship_date_sk - ws_sold_date_sk <= 30 THEN 1 ELSE 0 END) AS d30,
  sum(CASE WHEN ws_ship_date_sk - ws_sold_date_sk > 30 AND ws_ship_date_sk - ws_sold_date_sk <= 60 THEN 1 ELSE 0 END) AS d60,
  sum(CASE WHEN ws_ship_date_sk - ws_sold_date_sk > 60 AND ws_ship_date_sk - ws_sold_date_sk <= 90 THEN 1 ELSE 0 END) AS d90,
  count(CASE WHEN ws_ship_date_sk - ws_sold_date_sk > 90 THEN 1 END) AS more
FROM web_sales, item WHERE ws_item_sk = i_item_sk GROUP BY i_units ORDER BY i_units;

-- filter_aggregates
SELECT ss_store_sk, count(*) FILTER (WHERE ss_quantity > 50) AS many, sum(ss_net_paid) FILTER (WHERE ss_promo_sk IS NULL) AS plain,
  avg(ss_sales_price) FILTER (WHERE ss_coupon_amt > 0) AS with_coupon FROM store_sales GROUP BY ss_store_sk ORDER BY 1;

-- or_of_bands
SELECT avg(ss_quantity), avg(ss_ext_sales_price), avg(ss_wholesale_cost), sum(ss_wholesale_cost) FROM store_sales, store, date_dim, customer
WHERE s_store_sk = ss_store_sk AND ss_sold_date_sk = d_date_sk AND d_year = 2001 AND ss_customer_sk = c_customer_sk
  AND ((c_preferred_cust_flag = 'Y' AND ss_sales_price BETWEEN 100 AND 150 AND s_number_employees > 210)
    OR (c_preferred_cust_flag = 'N' AND ss_sales_price BETWEEN 50 AND 100) OR (c_birth_country = 'TOGO' AND ss_sales_price < 50 AND ss_quantity IN (1, 2, 3, 5, 8, 13)));

-- full_outer_channels
WITH s AS (SELECT ss_customer_sk AS c, ss_item_sk AS i FROM store_sales WHERE ss_sold_date_sk BETWEEN 2451180 AND 2451400 GROUP BY 1, 2),
  w AS (SELECT ws_bill_customer_sk AS c, ws_item_sk AS i FROM web_sales WHERE ws_sold_date_sk BETWEEN 2451180 AND 2451400 GROUP BY 1, 2)
SELECT sum(CASE WHEN s.c IS NOT NULL AND w.c IS NULL THEN 1 ELSE 0 END) AS store_only, sum(CASE WHEN s.c IS NULL AND w.c IS NOT NULL THEN 1 ELSE 0 END) AS web_only,
  sum(CASE WHEN s.c IS NOT NULL AND w.c IS NOT NULL THEN 1 ELSE 0 END) AS both_channels, count(*)
FROM s FULL OUTER JOIN w ON s.c = w.c AND s.i = w.i;

-- full_outer_cumulative
WITH w AS (SELECT ws_item_sk AS i, ws_sold_date_sk AS d, sum(ws_sales_price) AS s FROM web_sales WHERE ws_item_sk < 20 GROUP BY 1, 2),
  s AS (SELECT ss_item_sk AS i, ss_sold_date_sk AS d, sum(ss_sales_price) AS s FROM store_sales WHERE ss_item_sk < 20 GROUP BY 1, 2)
SELECT * FROM (
  SELECT coalesce(w.i, s.i) AS i, coalesce(w.d, s.d) AS d, max(w.s) OVER (PARTITION BY coalesce(w.i, s.i) ORDER BY coalesce(w.d, s.d)) AS wm,
    max(s.s) OVER (PARTITION BY coalesce(w.i, s.i) ORDER BY coalesce(w.d, s.d)) AS sm
  FROM w FULL JOIN s ON w.i = s.i AND w.d = s.d) x
WHERE wm > sm ORDER BY i, d, wm LIMIT 100;

-- full_join_direct
SELECT count(*), count(sr_ticket_number), count(ws_order_number), sum(sr_return_amt), sum(ws_net_paid)
FROM store_returns FULL JOIN web_sales ON sr_item_sk = ws_item_sk AND sr_customer_sk = ws_bill_customer_sk;

-- left_join_is_null
SELECT i_category, count(*) AS never_returned FROM item LEFT JOIN store_returns ON i_item_sk = sr_item_sk AND sr_reason = 'broken'
WHERE sr_item_sk IS NULL GROUP BY i_category ORDER BY 1;

-- left_join_fact_returns
SELECT s_store_name, sum(ss_quantity) AS sold, sum(coalesce(sr_return_quantity, 0)) AS returned, count(sr_ticket_number) AS n
FROM store_sales LEFT JOIN store_returns ON ss_ticket_number = sr_ticket_number AND ss_item_sk = sr_item_sk JOIN store ON s_store_sk = ss_store_sk
GROUP BY s_store_name ORDER BY s_store_name;

-- right_join
SELECT p_promo_sk, p_promo_name, count(ss_item_sk), sum(ss_net_paid) FROM store_sales RIGHT JOIN promotion ON ss_promo_sk = p_promo_sk AND ss_quantity > 95
GROUP BY p_promo_sk, p_promo_name ORDER BY p_promo_sk;

-- left_join_filter_on_outer
SELECT count(*), sum(ws_quantity) FROM customer LEFT JOIN web_sales ON ws_bill_customer_sk = c_customer_sk AND c_birth_year > 1960 WHERE c_preferred_cust_flag IS DISTINCT FROM 'Y';

-- sales_then_returned
SELECT i_item_id, s_store_id, count(ss_quantity), avg(ss_quantity), stddev_samp(ss_quantity), count(sr_return_quantity), avg(sr_return_quantity)
FROM store_sales, store_returns, date_dim d1, date_dim d2, store, item
WHERE d1.d_qoy = 1 AND d1.d_year = 2001 AND d1.d_date_sk = ss_sold_date_sk AND i_item_sk = ss_item_sk AND s_store_sk = ss_store_sk
  AND ss_customer_sk = sr_customer_sk AND ss_item_sk = sr_item_sk AND ss_ticket_number = sr_ticket_number AND sr_returned_date_sk = d2.d_date_sk AND d2.d_qoy IN (1, 2, 3)
GROUP BY i_item_id, s_store_id ORDER BY i_item_id, s_store_id LIMIT 100;

-- brands_of_other_states
SELECT i_brand_id, i_brand, i_manufact_id, sum(ss_ext_sales_price) AS p FROM date_dim, store_sales, item, customer, customer_address, store
WHERE d_date_sk = ss_sold_date_sk AND ss_item_sk = i_item_sk AND i_brand_id = 8 AND d_moy = 11 AND ss_customer_sk = c_customer_sk AND c_current_addr_sk = ca_address_sk
  AND substr(ca_zip, 1, 2) <> substr(s_store_id, 2, 2) AND ss_store_sk = s_store_sk AND ca_state <> s_state
GROUP BY i_brand, i_brand_id, i_manufact_id ORDER BY p DESC, i_brand, i_brand_id, i_manufact_id LIMIT 100;

-- zip_prefix_list
SELECT ca_zip, sum(ws_sales_price) FROM web_sales, customer, customer_address, date_dim
WHERE ws_bill_customer_sk = c_customer_sk AND c_current_addr_sk = ca_address_sk AND ws_sold_date_sk = d_date_sk AND d_qoy = 2 AND d_year = 2001
  AND (substr(ca_zip, 1, 1) IN ('8', '3', '1') OR ca_state IN ('CA', 'GA') OR ws_sales_price > 90)
GROUP BY ca_zip ORDER BY ca_zip LIMIT 100;

-- string_functions
SELECT upper(i_color) AS c, length(i_item_desc) / 20 AS l, substring(i_item_desc FROM 9 FOR 4) AS s, count(*), max(i_item_desc)
FROM item WHERE i_item_desc LIKE 'Item of %' AND lower(i_brand) NOT LIKE '%1%' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- like_patterns
SELECT count(*) FILTER (WHERE i_item_desc LIKE '%quality%quality%'), count(*) FILTER (WHERE i_item_desc ILIKE '%GREAT%'), count(*) FILTER (WHERE i_item_desc LIKE '%y'),
  count(*) FILTER (WHERE i_item_desc NOT LIKE '%o%'), count(*) FILTER (WHERE i_item_desc ~ '^Item of (old|young) [0-9]+$'), count(*) FILTER (WHERE i_item_desc LIKE 'Item of g___ %') FROM item;

-- like_and_join
SELECT d_day_name, count(*), sum(ws_ext_sales_price) FROM web_sales JOIN item ON ws_item_sk = i_item_sk JOIN date_dim ON ws_sold_date_sk = d_date_sk
WHERE i_item_desc LIKE '%special%' AND d_day_name LIKE 'S%' GROUP BY d_day_name ORDER BY 1;

-- concat_coalesce
SELECT coalesce(c_last_name, '') || ', ' || coalesce(c_first_name, '?') AS name, count(*) FROM customer GROUP BY 1 HAVING count(*) > 20 ORDER BY 2 DESC, 1;

-- date_arithmetic
SELECT date_trunc('month', d_date)::date AS m, d_date - date '1998-01-01' > 700 AS late, sum(ss_net_paid), min(d_date + interval '1 month'), max(d_date - 30)
FROM store_sales JOIN date_dim ON ss_sold_date_sk = d_date_sk WHERE d_date >= date '1999-11-15' AND d_date < date '1999-11-15' + interval '3 months' GROUP BY 1, 2 ORDER BY 1, 2;

-- date_extract
SELECT extract(year FROM d_date) AS y, extract(dow FROM d_date) AS dow, count(*), sum(ws_quantity) FROM web_sales, date_dim
WHERE ws_sold_date_sk = d_date_sk AND extract(month FROM d_date) IN (6, 7) GROUP BY 1, 2 ORDER BY 1, 2;

-- top_items_best_worst
SELECT a.rnk, i1.i_item_id AS best, i2.i_item_id AS worst
FROM (SELECT ss_item_sk, rank() OVER (ORDER BY avg(ss_net_profit) DESC, ss_item_sk) AS rnk FROM store_sales WHERE ss_store_sk = 4 GROUP BY ss_item_sk
    HAVING avg(ss_net_profit) > 0.9 * (SELECT avg(ss_net_profit) FROM store_sales WHERE ss_store_sk = 4 AND ss_promo_sk IS NULL)) a,
  (SELECT ss_item_sk, rank() OVER (ORDER BY avg(ss_net_profit), ss_item_sk) AS rnk FROM store_sales WHERE ss_store_sk = 4 GROUP BY ss_item_sk) b, item i1, item i2
WHERE a.rnk = b.rnk AND i1.i_item_sk = a.ss_item_sk AND i2.i_item_sk = b.ss_item_sk AND a.rnk < 11 ORDER BY a.rnk;

-- inventory_before_after
SELECT i_item_id, sum(CASE WHEN d_date < date '2000-03-11' THEN inv_quantity_on_hand ELSE 0 END) AS before, sum(CASE WHEN d_date >= date '2000-03-11' THEN inv_quantity_on_hand ELSE 0 END) AS after
FROM inventory, item, date_dim WHERE i_current_price BETWEEN 10 AND 30 AND i_item_sk = inv_item_sk AND inv_date_sk = d_date_sk AND d_date BETWEEN date '2000-03-11' - 30 AND date '2000-03-11' + 30
GROUP BY i_item_id HAVING sum(CASE WHEN d_date < date '2000-03-11' THEN inv_quantity_on_hand ELSE 0 END) > 0 ORDER BY i_item_id LIMIT 100;

-- inventory_variation
WITH inv AS (
  SELECT i_item_sk, d_moy, stddev_samp(inv_quantity_on_hand) AS sd, avg(inv_quantity_on_hand) AS mean
  FROM inventory, item, date_dim WHERE inv_item_sk = i_item_sk AND inv_date_sk = d_date_sk AND d_year = 2000 GROUP BY i_item_sk, d_moy)
SELECT a.i_item_sk, a.d_moy, round(a.mean, 3), round(a.sd / a.mean, 3) AS cov, b.d_moy, round(b.sd / b.mean, 3)
FROM inv a, inv b WHERE a.i_item_sk = b.i_item_sk AND a.d_moy = 1 AND b.d_moy = 2 AND a.mean > 0 AND b.mean > 0 AND a.sd / a.mean > 0.9 ORDER BY a.i_item_sk;

-- inventory_rollup
SELECT i_brand, i_class, avg(inv_quantity_on_hand) AS qoh FROM inventory, date_dim, item WHERE inv_date_sk = d_date_sk AND inv_item_sk = i_item_sk AND d_month_seq BETWEEN 25 AND 28
GROUP BY ROLLUP (i_brand, i_class) ORDER BY qoh, i_brand, i_class LIMIT 100;

-- frequent_and_best_customers
WITH frequent AS (SELECT ss_item_sk AS item FROM store_sales, date_dim WHERE ss_sold_date_sk = d_date_sk AND d_year IN (2000, 2001) GROUP BY ss_item_sk, d_moy HAVING count(*) > 4),
  spent AS (SELECT ss_customer_sk AS cust, sum(ss_quantity * ss_sales_price) AS total FROM store_sales GROUP BY ss_customer_sk),
  best AS (SELECT cust FROM spent WHERE total > 0.6 * (SELECT max(total) FROM spent))
SELECT sum(ws_quantity * ws_list_price), count(*) FROM web_sales WHERE ws_item_sk IN (SELECT item FROM frequent) AND ws_bill_customer_sk IN (SELECT cust FROM best);

-- tickets_of_many_items
SELECT c_last_name, c_first_name, ss_ticket_number, cnt FROM (
  SELECT ss_ticket_number, ss_customer_sk, count(*) AS cnt FROM store_sales, date_dim, store
  WHERE ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk AND (d_dom BETWEEN 1 AND 3 OR d_dom BETWEEN 25 AND 28) AND s_number_employees BETWEEN 200 AND 295
  GROUP BY ss_ticket_number, ss_customer_sk) dn, customer
WHERE ss_customer_sk = c_customer_sk AND cnt BETWEEN 4 AND 5 ORDER BY c_last_name, c_first_name, ss_ticket_number LIMIT 200;

-- hours_counts
SELECT h, (SELECT count(*) FROM store_sales WHERE ss_sold_time_sk / 3600 = h AND ss_quantity < 20) AS n FROM generate_series(8, 12) h ORDER BY h;

-- am_pm_ratio
SELECT round(a::numeric / p, 6) FROM (SELECT count(*) AS a FROM store_sales WHERE ss_sold_time_sk BETWEEN 28800 AND 35999) x, (SELECT count(*) AS p FROM store_sales WHERE ss_sold_time_sk BETWEEN 68400 AND 75599) y;

-- nested_aggregates
SELECT d_year, max(n), min(n), round(avg(n), 4) FROM (SELECT d_year, ss_customer_sk, count(*) AS n FROM store_sales, date_dim WHERE ss_sold_date_sk = d_date_sk GROUP BY 1, 2) x GROUP BY d_year ORDER BY 1;

-- distinct_on_and_limit
SELECT DISTINCT ON (ss_store_sk) ss_store_sk, ss_net_paid, ss_ticket_number, ss_item_sk FROM store_sales WHERE ss_net_paid IS NOT NULL
ORDER BY ss_store_sk, ss_net_paid DESC, ss_ticket_number, ss_item_sk, ss_quantity;

-- top_by_expression
SELECT ss_ticket_number, ss_item_sk, ss_quantity * ss_list_price AS v FROM store_sales ORDER BY ss_quantity * ss_list_price DESC NULLS LAST, ss_ticket_number, ss_item_sk LIMIT 25;

-- offset_pages
SELECT ws_order_number, ws_item_sk, ws_net_profit FROM web_sales WHERE ws_net_profit < 0 ORDER BY ws_net_profit, ws_order_number, ws_item_sk, ws_quantity LIMIT 20 OFFSET 150;

-- select_distinct
SELECT DISTINCT i_category, i_color FROM item JOIN web_sales ON ws_item_sk = i_item_sk WHERE ws_quantity = 99 ORDER BY 1, 2;

-- any_array
SELECT ss_store_sk, count(*) FROM store_sales WHERE ss_promo_sk = ANY (ARRAY[3, 14, 15, NULL, 92]) AND ss_quantity <> ALL (ARRAY[7, 9]) GROUP BY 1 ORDER BY 1;

-- nullif_greatest
SELECT i_units, sum(nullif(i_current_price, i_wholesale_cost)), sum(greatest(i_current_price, i_wholesale_cost)), sum(least(i_current_price, 10)), count(nullif(i_size, 'N/A'))
FROM item GROUP BY i_units ORDER BY i_units;

-- prunes_one_partition
SELECT count(*), sum(ss_net_paid), min(ss_sold_date_sk), max(ss_sold_date_sk) FROM store_sales WHERE ss_sold_date_sk BETWEEN 2451600 AND 2451650;

-- prunes_at_run_time
SELECT count(*), sum(ss_net_paid) FROM store_sales WHERE ss_sold_date_sk = (SELECT d_date_sk FROM date_dim WHERE d_date = date '2000-12-24');

-- partition_null_key
SELECT count(*), sum(ss_quantity) FROM store_sales WHERE ss_sold_date_sk IS NULL;

-- lateral_top
SELECT s_store_sk, t.* FROM store, LATERAL (SELECT ss_ticket_number, ss_item_sk, ss_net_paid FROM store_sales WHERE ss_store_sk = s_store_sk AND ss_net_paid IS NOT NULL
  ORDER BY ss_net_paid DESC, ss_ticket_number, ss_item_sk LIMIT 2) t ORDER BY s_store_sk, ss_net_paid DESC, ss_ticket_number, ss_item_sk;

-- recursive_months
WITH RECURSIVE m(i, total) AS (
  SELECT 1, (SELECT sum(ss_quantity)::bigint FROM store_sales, date_dim WHERE ss_sold_date_sk = d_date_sk AND d_month_seq = 1)
  UNION ALL SELECT i + 1, total + (SELECT sum(ss_quantity) FROM store_sales, date_dim WHERE ss_sold_date_sk = d_date_sk AND d_month_seq = i + 1) FROM m WHERE i < 12)
SELECT * FROM m ORDER BY i;

-- cte_used_twice_materialized
WITH r AS MATERIALIZED (SELECT sr_item_sk, sum(sr_return_amt) AS amt, count(*) AS n FROM store_returns GROUP BY sr_item_sk)
SELECT a.sr_item_sk, a.amt FROM r a WHERE a.amt > (SELECT 2 * avg(b.amt) FROM r b) ORDER BY a.amt DESC, a.sr_item_sk;

-- join_many_to_many
SELECT count(*), sum(a.ss_quantity::bigint * b.ws_quantity) FROM store_sales a JOIN web_sales b ON a.ss_item_sk = b.ws_item_sk AND a.ss_promo_sk = b.ws_promo_sk;

-- join_on_text
SELECT count(*), count(DISTINCT a.i_item_sk) FROM item a JOIN item b ON a.i_item_id = b.i_item_id AND a.i_item_sk <> b.i_item_sk;

-- join_on_expression
SELECT d.d_moy, count(*) FROM store_sales s JOIN date_dim d ON s.ss_sold_date_sk + 7 = d.d_date_sk WHERE s.ss_quantity = 42 GROUP BY d.d_moy ORDER BY 1;

-- join_inequality
SELECT p_promo_sk, count(*) FROM promotion JOIN web_sales ON ws_promo_sk = p_promo_sk AND ws_net_paid > p_cost GROUP BY p_promo_sk ORDER BY 1;

-- group_by_1_of_many
SELECT ss_ticket_number, ss_customer_sk, count(*), sum(ss_ext_sales_price) FROM store_sales GROUP BY 1, 2 HAVING sum(ss_ext_sales_price) > 14000 ORDER BY 1, 2;

-- wide_rows, any order
SELECT * FROM store_sales WHERE ss_ticket_number % 997 = 5;

-- join_rows_out, any order
SELECT s.*, i_category, d_date FROM web_sales s LEFT JOIN item ON ws_item_sk = i_item_sk LEFT JOIN date_dim ON d_date_sk = ws_sold_date_sk WHERE ws_order_number BETWEEN 100 AND 160;

-- group_without_order, any order
SELECT ss_item_sk, ss_store_sk, count(*), sum(ss_net_profit), max(ss_sold_date_sk) FROM store_sales GROUP BY 1, 2;

-- items_of_all_channels
WITH both_channels AS (
    SELECT i_item_sk AS item FROM item, (
      SELECT i_brand_id AS b, i_class_id AS c, i_category_id AS k FROM store_sales, item WHERE ss_item_sk = i_item_sk AND ss_quantity > 97
      INTERSECT
      SELECT i_brand_id, i_class_id, i_category_id FROM web_sales, item WHERE ws_item_sk = i_item_sk AND ws_quantity > 60) x
    WHERE i_brand_id = b AND i_class_id = c AND i_category_id = k),
  average AS (SELECT avg(q * p) AS a FROM (
      SELECT ss_quantity AS q, ss_list_price AS p FROM store_sales, date_dim WHERE ss_sold_date_sk = d_date_sk AND d_year IN (1999, 2000)
      UNION ALL SELECT ws_quantity, ws_list_price FROM web_sales, date_dim WHERE ws_sold_date_sk = d_date_sk AND d_year IN (1999, 2000)) y)
SELECT channel, i_brand_id, sum(sales), sum(n) FROM (
  SELECT 'store' AS channel, i_brand_id, i_class_id, sum(ss_quantity * ss_list_price) AS sales, count(*) AS n FROM store_sales, item
  WHERE ss_item_sk IN (SELECT item FROM both_channels) AND ss_item_sk = i_item_sk GROUP BY i_brand_id, i_class_id
  HAVING sum(ss_quantity * ss_list_price) > (SELECT a FROM average)
  UNION ALL
  SELECT 'web', i_brand_id, i_class_id, sum(ws_quantity * ws_list_price), count(*) FROM web_sales, item
  WHERE ws_item_sk IN (SELECT item FROM both_channels) AND ws_item_sk = i_item_sk GROUP BY i_brand_id, i_class_id
  HAVING sum(ws_quantity * ws_list_price) > (SELECT a FROM average)) z
GROUP BY ROLLUP (channel, i_brand_id) ORDER BY channel, i_brand_id, 3 LIMIT 100;

-- channels_within_a_tenth
WITH s AS (SELECT i_item_id AS id, sum(ss_ext_sales_price) AS rev FROM store_sales, item, date_dim
    WHERE ss_item_sk = i_item_sk AND d_date_sk = ss_sold_date_sk
      AND d_date IN (SELECT d_date FROM date_dim WHERE d_week_seq BETWEEN (SELECT d_week_seq FROM date_dim WHERE d_date = date '2000-01-03') - 20 AND 130) GROUP BY i_item_id),
  w AS (SELECT i_item_id AS id, sum(ws_ext_sales_price) AS rev FROM web_sales, item, date_dim
    WHERE ws_item_sk = i_item_sk AND d_date_sk = ws_sold_date_sk
      AND d_date IN (SELECT d_date FROM date_dim WHERE d_week_seq BETWEEN (SELECT d_week_seq FROM date_dim WHERE d_date = date '2000-01-03') - 20 AND 130) GROUP BY i_item_id)
SELECT s.id, s.rev, round(s.rev / ((s.rev + w.rev) / 2) * 100, 4) AS s_share, w.rev FROM s, w
WHERE s.id = w.id AND s.rev BETWEEN 0.9 * w.rev AND 1.1 * w.rev ORDER BY s.id, s.rev LIMIT 100;

-- return_ratios_ranked
SELECT channel, item, ratio, quantity_rank, amount_rank FROM (
  SELECT 'store' AS channel, item, ratio, rank() OVER (ORDER BY ratio) AS quantity_rank, rank() OVER (ORDER BY amount_ratio) AS amount_rank FROM (
    SELECT ss_item_sk AS item, sum(coalesce(sr_return_quantity, 0))::numeric(15,4) / sum(coalesce(ss_quantity, 0))::numeric(15,4) AS ratio,
      sum(coalesce(sr_return_amt, 0)) / nullif(sum(coalesce(ss_net_paid, 0)), 0) AS amount_ratio
    FROM store_sales LEFT JOIN store_returns ON ss_ticket_number = sr_ticket_number AND ss_item_sk = sr_item_sk, date_dim
    WHERE sr_return_amt > 5 AND ss_net_profit > 1 AND ss_quantity > 0 AND ss_sold_date_sk = d_date_sk AND d_year = 2001 GROUP BY ss_item_sk) a
  UNION
  SELECT 'web', ws_item_sk, avg(ws_quantity), rank() OVER (ORDER BY avg(ws_quantity)), dense_rank() OVER (ORDER BY sum(ws_net_paid) DESC)
  FROM web_sales WHERE ws_net_profit > 1 GROUP BY ws_item_sk) x
WHERE quantity_rank <= 10 OR amount_rank <= 10 ORDER BY channel, quantity_rank, amount_rank, item LIMIT 100;

-- customers_by_segment
WITH mine AS (
    SELECT DISTINCT c_customer_sk, c_current_addr_sk FROM (
      SELECT ws_sold_date_sk AS sold, ws_bill_customer_sk AS cust, ws_item_sk AS item FROM web_sales
      UNION ALL SELECT sr_returned_date_sk, sr_customer_sk, sr_item_sk FROM store_returns) x, item, date_dim, customer
    WHERE sold = d_date_sk AND item = i_item_sk AND i_category = 'Women' AND c_customer_sk = cust AND d_year = 1999),
  revenue AS (
    SELECT c_customer_sk, sum(ss_ext_sales_price) AS r FROM mine, store_sales, customer_address, store, date_dim
    WHERE c_current_addr_sk = ca_address_sk AND ca_gmt_offset = s_gmt_offset AND ss_sold_date_sk = d_date_sk AND c_customer_sk = ss_customer_sk
      AND d_month_seq BETWEEN (SELECT DISTINCT d_month_seq + 1 FROM date_dim WHERE d_year = 1999 AND d_moy = 3)
        AND (SELECT DISTINCT d_month_seq + 20 FROM date_dim WHERE d_year = 1999 AND d_moy = 3)
    GROUP BY c_customer_sk)
SELECT segment, count(*), segment * 50 FROM (SELECT (r / 5000)::int AS segment FROM revenue) s GROUP BY segment ORDER BY segment LIMIT 100;

-- sold_and_returned_two_years
WITH cross_sales AS (
  SELECT i_item_sk AS item, i_color, s_store_id, d1.d_year AS sold, d2.d_year AS back, count(*) AS n, sum(ss_wholesale_cost) AS s1, sum(ss_list_price) AS s2, sum(ss_coupon_amt) AS s3
  FROM store_sales, store_returns, date_dim d1, date_dim d2, store, customer, customer_address, promotion, item
  WHERE ss_store_sk = s_store_sk AND ss_sold_date_sk = d1.d_date_sk AND ss_customer_sk = c_customer_sk AND ss_item_sk = i_item_sk AND ss_item_sk = sr_item_sk
    AND ss_ticket_number = sr_ticket_number AND c_current_addr_sk = ca_address_sk AND sr_returned_date_sk = d2.d_date_sk AND ss_promo_sk = p_promo_sk
    AND i_color IN ('red', 'blue', 'navajo', 'slate', 'peach') AND i_current_price BETWEEN 5 AND 95
  GROUP BY i_item_sk, i_color, s_store_id, d1.d_year, d2.d_year)
SELECT a.item, a.i_color, a.s_store_id, a.sold, a.n, a.s1, a.s2, a.s3, b.s1, b.s2, b.s3, b.sold, b.n
FROM cross_sales a, cross_sales b WHERE a.item = b.item AND a.sold = 1999 AND b.sold = 2000 AND b.n <= a.n AND a.s_store_id = b.s_store_id
ORDER BY a.item, a.s_store_id, a.back, b.back, a.n, b.n;

-- months_across
SELECT channel, d_year, sum(jan) AS jan, sum(jun) AS jun, sum(dec) AS dec, sum(jan / employees) AS jan_per_head FROM (
  SELECT 'store ' || s_state AS channel, d_year, s_number_employees AS employees, sum(CASE WHEN d_moy = 1 THEN ss_ext_sales_price * ss_quantity ELSE 0 END) AS jan,
    sum(CASE WHEN d_moy = 6 THEN ss_ext_sales_price * ss_quantity ELSE 0 END) AS jun, sum(CASE WHEN d_moy = 12 THEN ss_ext_sales_price * ss_quantity ELSE 0 END) AS dec
  FROM store_sales, store, date_dim WHERE ss_store_sk = s_store_sk AND ss_sold_date_sk = d_date_sk AND ss_sold_time_sk BETWEEN 30838 AND 59638 GROUP BY s_state, s_number_employees, d_year
  UNION ALL
  SELECT 'web', d_year, 100, sum(CASE WHEN d_moy = 1 THEN ws_sales_price * ws_quantity ELSE 0 END), sum(CASE WHEN d_moy = 6 THEN ws_sales_price * ws_quantity ELSE 0 END),
    sum(CASE WHEN d_moy = 12 THEN ws_sales_price * ws_quantity ELSE 0 END) FROM web_sales, date_dim WHERE ws_sold_date_sk = d_date_sk GROUP BY d_year) x
GROUP BY channel, d_year ORDER BY channel, d_year;

-- rollup_eight_ranked
SELECT * FROM (
  SELECT i_category, i_class, i_brand, i_size, d_year, d_qoy, d_moy, s_store_id, sumsales, rank() OVER (PARTITION BY i_category ORDER BY sumsales DESC) AS rk FROM (
    SELECT i_category, i_class, i_brand, i_size, d_year, d_qoy, d_moy, s_store_id, sum(coalesce(ss_sales_price * ss_quantity, 0)) AS sumsales
    FROM store_sales, date_dim, store, item WHERE ss_sold_date_sk = d_date_sk AND ss_item_sk = i_item_sk AND ss_store_sk = s_store_sk AND d_month_seq BETWEEN 13 AND 24
    GROUP BY ROLLUP (i_category, i_class, i_brand, i_size, d_year, d_qoy, d_moy, s_store_id)) a) b
WHERE rk <= 20 ORDER BY i_category, i_class, i_brand, i_size, d_year, d_qoy, d_moy, s_store_id, sumsales, rk LIMIT 200;

-- rollup_of_the_best_states
SELECT sum(ss_net_profit) AS p, s_state, s_county, grouping(s_state) + grouping(s_county) AS h FROM store_sales, date_dim, store
WHERE d_month_seq BETWEEN 25 AND 36 AND d_date_sk = ss_sold_date_sk AND s_store_sk = ss_store_sk
  AND s_state IN (SELECT s_state FROM (SELECT s_state, rank() OVER (ORDER BY sum(ss_net_profit) DESC) AS r FROM store_sales, store, date_dim
    WHERE d_month_seq BETWEEN 25 AND 36 AND d_date_sk = ss_sold_date_sk AND s_store_sk = ss_store_sk GROUP BY s_state) x WHERE r <= 2)
GROUP BY ROLLUP (s_state, s_county) ORDER BY h DESC, s_state, s_county;

-- stock_below_sales
SELECT i_item_sk, d1.d_week_seq, sum(CASE WHEN p_promo_sk IS NULL THEN 1 ELSE 0 END) AS no_promo, sum(CASE WHEN p_promo_sk IS NOT NULL THEN 1 ELSE 0 END) AS promo, count(*) AS n
FROM web_sales JOIN inventory ON ws_item_sk = inv_item_sk JOIN item ON i_item_sk = ws_item_sk JOIN date_dim d1 ON ws_sold_date_sk = d1.d_date_sk
  JOIN date_dim d2 ON inv_date_sk = d2.d_date_sk JOIN date_dim d3 ON ws_ship_date_sk = d3.d_date_sk
  LEFT JOIN promotion ON ws_promo_sk = p_promo_sk AND p_channel_email = 'Y' LEFT JOIN store_returns ON sr_item_sk = ws_item_sk AND sr_ticket_number = ws_order_number
WHERE d1.d_week_seq / 4 = d2.d_week_seq / 4 AND inv_quantity_on_hand < ws_quantity * 3 AND d3.d_date > d1.d_date + 5
GROUP BY i_item_sk, d1.d_week_seq ORDER BY n DESC, i_item_sk, d1.d_week_seq LIMIT 100;

-- yearly_net_of_returns
WITH net AS (
  SELECT d_year, i_brand_id, i_class_id, sum(q) AS q, sum(amt) AS amt FROM (
    SELECT d_year, i_brand_id, i_class_id, ss_quantity - coalesce(sr_return_quantity, 0) AS q, ss_ext_sales_price - coalesce(sr_return_amt, 0.0) AS amt
    FROM store_sales JOIN item ON i_item_sk = ss_item_sk JOIN date_dim ON d_date_sk = ss_sold_date_sk
      LEFT JOIN store_returns ON ss_ticket_number = sr_ticket_number AND ss_item_sk = sr_item_sk WHERE i_category = 'Books'
    UNION
    SELECT d_year, i_brand_id, i_class_id, ws_quantity - coalesce(sr_return_quantity, 0), ws_ext_sales_price - coalesce(sr_return_amt, 0.0)
    FROM web_sales JOIN item ON i_item_sk = ws_item_sk JOIN date_dim ON d_date_sk = ws_sold_date_sk
      LEFT JOIN store_returns ON ws_order_number = sr_ticket_number AND ws_item_sk = sr_item_sk WHERE i_category = 'Books') x
  GROUP BY d_year, i_brand_id, i_class_id)
SELECT b.d_year, a.i_brand_id, a.i_class_id, b.q - a.q AS diff, b.amt - a.amt AS amt_diff FROM net a, net b
WHERE a.i_brand_id = b.i_brand_id AND a.i_class_id = b.i_class_id AND b.d_year = 2001 AND a.d_year = 2000 AND b.q::numeric(17,2) / nullif(a.q::numeric(17,2), 0) < 0.9
ORDER BY diff, amt_diff, a.i_brand_id, a.i_class_id LIMIT 100;

-- never_returned_by_channel
WITH s AS (SELECT d_year AS y, ss_item_sk AS i, ss_customer_sk AS c, sum(ss_quantity) AS q, sum(ss_wholesale_cost) AS wc FROM store_sales
    LEFT JOIN store_returns ON sr_ticket_number = ss_ticket_number AND ss_item_sk = sr_item_sk JOIN date_dim ON ss_sold_date_sk = d_date_sk
    WHERE sr_ticket_number IS NULL GROUP BY d_year, ss_item_sk, ss_customer_sk),
  w AS (SELECT d_year AS y, ws_item_sk AS i, ws_bill_customer_sk AS c, sum(ws_quantity) AS q FROM web_sales JOIN date_dim ON ws_sold_date_sk = d_date_sk GROUP BY 1, 2, 3)
SELECT s.c, s.i, round(s.q::numeric / coalesce(w.q, 1), 2) AS ratio, s.q, s.wc, coalesce(w.q, 0) AS other FROM s LEFT JOIN w ON w.y = s.y AND w.i = s.i AND w.c = s.c
WHERE (coalesce(w.q, 0) > 0 OR s.q > 98) AND s.y = 2000 ORDER BY s.c, s.q DESC, s.wc DESC, other, s.i LIMIT 100;

-- channels_profit_and_loss
WITH ss AS (SELECT s_store_sk, sum(ss_ext_sales_price) AS sales, sum(ss_net_profit) AS profit FROM store_sales, date_dim, store
    WHERE ss_sold_date_sk = d_date_sk AND d_date BETWEEN date '2000-08-23' AND date '2000-08-23' + 30 AND ss_store_sk = s_store_sk GROUP BY s_store_sk),
  sr AS (SELECT sr_store_sk, sum(sr_return_amt) AS back FROM store_returns, date_dim
    WHERE sr_returned_date_sk = d_date_sk AND d_date BETWEEN date '2000-08-23' AND date '2000-08-23' + 30 GROUP BY sr_store_sk),
  ws AS (SELECT ws_promo_sk, sum(ws_ext_sales_price) AS sales, sum(ws_net_profit) AS profit FROM web_sales, date_dim
    WHERE ws_sold_date_sk = d_date_sk AND d_date BETWEEN date '2000-08-23' AND date '2000-08-23' + 30 GROUP BY ws_promo_sk)
SELECT channel, id, sum(sales), sum(back), sum(profit) FROM (
  SELECT 'store' AS channel, s_store_sk AS id, sales, coalesce(back, 0) AS back, profit FROM ss LEFT JOIN sr ON s_store_sk = sr_store_sk
  UNION ALL SELECT 'web', ws_promo_sk, sales, 0, profit FROM ws) x
GROUP BY ROLLUP (channel, id) ORDER BY channel, id, 3;

-- actual_sales_by_customer
SELECT ss_customer_sk, sum(act) AS sumsales FROM (
  SELECT ss_customer_sk, CASE WHEN sr_return_quantity IS NOT NULL THEN (ss_quantity - sr_return_quantity) * ss_sales_price ELSE ss_quantity * ss_sales_price END AS act
  FROM store_sales LEFT JOIN store_returns ON sr_item_sk = ss_item_sk AND sr_ticket_number = ss_ticket_number WHERE sr_reason = 'broken') t
GROUP BY ss_customer_sk ORDER BY sumsales, ss_customer_sk LIMIT 100;

-- orders_of_two_promotions
WITH two AS (SELECT a.ws_order_number FROM web_sales a, web_sales b WHERE a.ws_order_number = b.ws_order_number AND a.ws_promo_sk <> b.ws_promo_sk)
SELECT count(DISTINCT ws_order_number) AS orders, sum(ws_ext_sales_price) AS shipping, sum(ws_net_profit) AS profit FROM web_sales, date_dim, customer, customer_address
WHERE d_date BETWEEN date '1999-02-01' AND date '1999-02-01' + 120 AND ws_ship_date_sk = d_date_sk AND ws_bill_customer_sk = c_customer_sk AND c_current_addr_sk = ca_address_sk
  AND ca_state IN ('CA', 'GA', 'OH') AND ws_order_number IN (SELECT ws_order_number FROM two)
  AND ws_order_number IN (SELECT sr_ticket_number FROM store_returns, two WHERE sr_ticket_number = two.ws_order_number);

-- sales_of_unknown_columns
SELECT channel, col, d_year, d_qoy, i_category, count(*) AS n, sum(amt) AS amt FROM (
  SELECT 'store' AS channel, 'ss_store_sk' AS col, d_year, d_qoy, i_category, ss_ext_sales_price AS amt FROM store_sales, item, date_dim
  WHERE ss_store_sk IS NULL AND ss_sold_date_sk = d_date_sk AND ss_item_sk = i_item_sk
  UNION ALL
  SELECT 'web', 'ws_bill_customer_sk', d_year, d_qoy, i_category, ws_ext_sales_price FROM web_sales, item, date_dim
  WHERE ws_bill_customer_sk IS NULL AND ws_sold_date_sk = d_date_sk AND ws_item_sk = i_item_sk) x
GROUP BY channel, col, d_year, d_qoy, i_category ORDER BY channel, col, d_year, d_qoy, i_category;

-- share_of_promotions
SELECT promotions, total, round(promotions / total * 100, 4) FROM (
  SELECT sum(ss_ext_sales_price) AS promotions FROM store_sales, store, promotion, date_dim, customer, customer_address, item
  WHERE ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk AND ss_promo_sk = p_promo_sk AND ss_customer_sk = c_customer_sk AND ca_address_sk = c_current_addr_sk AND ss_item_sk = i_item_sk
    AND ca_gmt_offset = -5 AND i_category = 'Jewelry' AND (p_channel_email = 'Y' OR p_channel_event = 'Y') AND d_year IN (1998, 1999)) p, (
  SELECT sum(ss_ext_sales_price) AS total FROM store_sales, store, date_dim, customer, customer_address, item
  WHERE ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk AND ss_customer_sk = c_customer_sk AND ca_address_sk = c_current_addr_sk AND ss_item_sk = i_item_sk
    AND ca_gmt_offset = -5 AND i_category = 'Jewelry' AND d_year IN (1998, 1999)) t;

-- averages_by_place_rolled_up
SELECT i_item_id, ca_country, ca_state, ca_county, avg(ws_quantity::numeric(12,2)), avg(ws_list_price::numeric(12,2)), avg(ws_sales_price), avg(c_birth_year::numeric(12,2)), grouping(ca_state)
FROM web_sales, customer, customer_address, date_dim, item
WHERE ws_sold_date_sk = d_date_sk AND ws_item_sk = i_item_sk AND ws_bill_customer_sk = c_customer_sk AND c_current_addr_sk = ca_address_sk AND c_birth_month IN (1, 6, 8, 9, 12, 2)
  AND d_year = 1998 AND ca_state IN ('CA', 'TX', 'NE', 'TN')
GROUP BY ROLLUP (i_item_id, ca_country, ca_state, ca_county) ORDER BY ca_country, ca_state, ca_county, i_item_id, 9 LIMIT 100;

-- brands_sold_by_both
SELECT i_manufact_id, sum(total) AS total FROM (
  SELECT i_manufact_id, sum(ss_ext_sales_price) AS total FROM store_sales, date_dim, item WHERE i_manufact_id IN (SELECT i_manufact_id FROM item WHERE i_category = 'Electronics')
    AND ss_item_sk = i_item_sk AND ss_sold_date_sk = d_date_sk AND d_year = 1998 AND d_moy = 5 GROUP BY i_manufact_id
  UNION ALL
  SELECT i_manufact_id, sum(ws_ext_sales_price) FROM web_sales, date_dim, item WHERE i_manufact_id IN (SELECT i_manufact_id FROM item WHERE i_category = 'Electronics')
    AND ws_item_sk = i_item_sk AND ws_sold_date_sk = d_date_sk AND d_year = 1998 AND d_moy = 5 GROUP BY i_manufact_id) x
GROUP BY i_manufact_id ORDER BY total, i_manufact_id LIMIT 100;

-- items_on_hand
SELECT i_item_id, i_item_desc, i_current_price FROM item, inventory, date_dim, store_sales
WHERE i_current_price BETWEEN 20 AND 50 AND inv_item_sk = i_item_sk AND d_date_sk = inv_date_sk AND d_date BETWEEN date '2000-02-01' AND date '2000-02-01' + 60
  AND i_manufact_id < 25 AND inv_quantity_on_hand BETWEEN 100 AND 500 AND ss_item_sk = i_item_sk
GROUP BY i_item_id, i_item_desc, i_current_price ORDER BY i_item_id, i_item_desc, i_current_price LIMIT 100;

-- products_of_one_kind
SELECT DISTINCT i_item_id FROM item i1 WHERE i_manufact_id BETWEEN 30 AND 70 AND (SELECT count(*) FROM item WHERE i_manufact_id = i1.i_manufact_id
  AND ((i_category = 'Women' AND i_color IN ('red', 'khaki') AND i_units IN ('Each', 'Case') AND i_size IN ('medium', 'extra large'))
    OR (i_category = 'Men' AND i_color IN ('slate', 'green') AND i_units IN ('Dozen', 'Pound') AND i_size IN ('N/A', 'small')) OR i_category = 'Shoes')) > 0
ORDER BY i_item_id LIMIT 100;
