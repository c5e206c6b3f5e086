-- The questions of columns/run.sh, asked of TPC-H's tables at scale 1 by PostgreSQL and by DuckDB.  "-- name [class]" above each;
-- "mean" counts in the geometric mean, "beside" does not.  Shares of rows are shares of l_partkey, which
-- lies scattered; parts have 200,000 keys.
-- count_star [mean]
SELECT count(*) FROM lineitem;
-- sum_qty [mean]
SELECT sum(l_quantity) FROM lineitem;
-- sum_price [mean]
SELECT sum(l_extendedprice) FROM lineitem;
-- sum_int [mean]
SELECT sum(l_partkey) FROM lineitem;
-- min_max_date [mean]
SELECT min(l_shipdate), max(l_shipdate) FROM lineitem;
-- sel_0.01 [mean]
SELECT sum(l_extendedprice) FROM lineitem WHERE l_partkey <= 20;
-- sel_1 [mean]
SELECT sum(l_extendedprice) FROM lineitem WHERE l_partkey <= 2000;
-- sel_10 [mean]
SELECT sum(l_extendedprice) FROM lineitem WHERE l_partkey <= 20000;
-- sel_50 [mean]
SELECT sum(l_extendedprice) FROM lineitem WHERE l_partkey <= 100000;
-- zone_1 [mean]
SELECT sum(l_extendedprice) FROM lineitem WHERE l_orderkey BETWEEN 3000000 AND 3060000;
-- in_str [mean]
SELECT count(*) FROM lineitem WHERE l_shipmode IN ('AIR', 'MAIL');
-- grp_7str [mean]
SELECT l_shipmode, count(*), sum(l_quantity), sum(l_extendedprice) FROM lineitem GROUP BY l_shipmode ORDER BY l_shipmode;
-- grp_suppkey [mean]
SELECT l_suppkey, sum(l_quantity) FROM lineitem GROUP BY l_suppkey ORDER BY 2 DESC, 1 LIMIT 10;
-- grp_partkey [mean]
SELECT l_partkey, sum(l_quantity) FROM lineitem GROUP BY l_partkey ORDER BY 2 DESC, 1 LIMIT 10;
-- grp_orderkey [mean]
SELECT l_orderkey, sum(l_quantity) FROM lineitem GROUP BY l_orderkey ORDER BY 2 DESC, 1 LIMIT 10;
-- cnt_distinct [mean]
SELECT count(DISTINCT l_partkey) FROM lineitem;
-- like_pname [mean]
SELECT count(*) FROM part WHERE p_name LIKE '%green%';
-- like_lcomment_none [mean]
SELECT count(*) FROM lineitem WHERE l_comment LIKE '%zebra%';
-- like_lcomment_some [mean]
SELECT count(*) FROM lineitem WHERE l_comment LIKE '%special%';
-- top10 [mean]
SELECT l_orderkey, l_linenumber, l_extendedprice FROM lineitem ORDER BY l_extendedprice DESC, l_orderkey, l_linenumber LIMIT 10;
-- join_all [mean]
SELECT count(*), sum(l_extendedprice), sum(o_totalprice) FROM lineitem JOIN orders ON o_orderkey = l_orderkey;
-- join_filt [mean]
SELECT count(*), sum(l_extendedprice) FROM lineitem JOIN orders ON o_orderkey = l_orderkey WHERE o_orderdate >= date '1998-07-01';
-- q1 [mean]
SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), sum(l_extendedprice * (1 - l_discount)),
  sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*)
FROM lineitem WHERE l_shipdate <= date '1998-09-02' GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus;
-- q6 [mean]
SELECT sum(l_extendedprice * l_discount) FROM lineitem
WHERE l_shipdate >= date '1994-01-01' AND l_shipdate < date '1995-01-01' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24;
-- cnt_distinct_text [beside]
SELECT count(DISTINCT l_comment) FROM lineitem;
-- grp_text [beside]
SELECT count(*), sum(n), max(n) FROM (SELECT o_comment, count(*) AS n FROM orders GROUP BY o_comment) x;
-- grp_two [beside]
SELECT count(*), max(q) FROM (SELECT l_partkey, l_suppkey, sum(l_quantity) AS q FROM lineitem GROUP BY l_partkey, l_suppkey) x;
-- join_text [beside]
SELECT count(*), sum(a.o_totalprice) FROM orders a JOIN orders b ON a.o_comment = b.o_comment;
