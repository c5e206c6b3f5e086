-- For tests that ask every question with the column store off and on.

-- The rows of a query, in their order or as a set; an error is an answer too.
CREATE FUNCTION answer(query text, ordered bool DEFAULT true) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  r record;
  rows text[] := '{}';
BEGIN
  FOR r IN EXECUTE query LOOP
    rows := rows || r::text;
  END LOOP;
  IF NOT ordered THEN
    SELECT array_agg(x ORDER BY x COLLATE "C") INTO rows FROM unnest(rows) x;
  END IF;
  RETURN array_to_string(rows, E'\n');
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

CREATE FUNCTION store(state text) RETURNS void LANGUAGE sql AS $$
  SELECT set_config('strata.column_' || s, state, false) FROM unnest(ARRAY['scan', 'aggregate', 'join']) s;
$$;

-- A planner's own error counts as yes, or is raised.
CREATE FUNCTION plan_has(query text, node text, or_error bool) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
  line text;
  found bool := false;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    found := found OR position(node IN line) > 0;
  END LOOP;
  RETURN found;
EXCEPTION WHEN OTHERS THEN
  IF or_error THEN
    RETURN true;
  END IF;
  RAISE;
END $$;

-- What differs between the answers, and that no node of that name was in the plan.
CREATE FUNCTION compare(query text, node text, ordered bool DEFAULT true, planner_errors bool DEFAULT false)
  RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  off text;
  onn text;
BEGIN
  PERFORM store('off');
  off := answer(query, ordered);
  PERFORM store('on');
  onn := answer(query, ordered);
  IF node IS NOT NULL AND NOT plan_has(query, node, planner_errors) THEN
    RETURN NEXT 'not used: ' || query;
  END IF;
  IF off IS DISTINCT FROM onn THEN
    RETURN NEXT query || E'\noff: ' || left(off, 500) || E'\non:  ' || left(onn, 500);
  END IF;
END $$;
