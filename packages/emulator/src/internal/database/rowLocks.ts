/**
 * Which rows a transaction has locked, as PostgreSQL tells, and whether another one holds locks against them.
 */
import { Quote } from "@effect-dsql/dialect"

/** SQL that makes what reads row locks. */
export const definitions = `
-- The function of the extension pgrowlocks without the extension, which a cluster does not have.
CREATE FUNCTION pg_catalog.dsql_emulator_pgrowlocks(relname text, OUT locked_row tid, OUT locker xid, OUT multi boolean,
  OUT xids xid[], OUT modes text[], OUT pids integer[]) RETURNS SETOF record LANGUAGE c STRICT AS '$libdir/pgrowlocks', 'pgrowlocks';

-- Transaction ids, that of the base savepoint included, by which a backend's locks on rows are known. In PL/pgSQL, which
-- keeps the plan: a commit that others watch asks for them.
CREATE FUNCTION pg_catalog.dsql_emulator_transaction_ids(backend int) RETURNS xid[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY(SELECT transactionid FROM pg_catalog.pg_locks
    WHERE pid = backend AND locktype = 'transactionid' AND mode = 'ExclusiveLock');
END $$;

-- Whether this transaction holds a lock on a row of a table that a condition names, as the row itself says.
CREATE FUNCTION pg_catalog.dsql_emulator_is_held(target text, strength text, condition text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  own xid[] := pg_catalog.dsql_emulator_transaction_ids(pg_backend_pid());
  locker xid;
  held boolean := false;
BEGIN
  EXECUTE format('SELECT xmax FROM ONLY %s WHERE %s AND xmax <> 0', target, condition) INTO locker;
  IF locker IS NULL OR locker = ANY (own) THEN RETURN locker IS NOT NULL; END IF;
  -- The number is that of another transaction, or of several that hold the row together.
  EXECUTE format('SELECT EXISTS (SELECT FROM pg_catalog.pg_get_multixact_members(%L) m WHERE m.xid = ANY ($1)
    AND m.mode = %L)', locker, CASE strength WHEN 'Update' THEN 'forupd' ELSE 'keysh' END) INTO held USING own;
  RETURN held;
EXCEPTION WHEN invalid_parameter_value OR internal_error THEN
  RETURN false;
END $$;

-- The rows that this transaction has locked without changing them: a table, a strength, and which rows.
CREATE FUNCTION pg_catalog.dsql_emulator_row_locks(OUT target text, OUT strength text, OUT condition text) RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  tids tid[];
  columns name[];
  keys text;
BEGIN
  FOR target, strength, tids IN
    WITH mine AS MATERIALIZED (SELECT locktype, relation, transactionid, mode FROM pg_locks WHERE pid = pg_backend_pid())
    SELECT c.oid::regclass::text, m.mode, array_agg(DISTINCT r.locked_row)
    FROM (SELECT DISTINCT relation AS oid FROM mine WHERE locktype = 'relation' AND mode = 'RowShareLock') l
    JOIN pg_class c USING (oid),
    pg_catalog.dsql_emulator_pgrowlocks(c.oid::regclass::text) r,
    -- Of several lockers of a row pgrowlocks calls the weakest otherwise than of one.
    LATERAL (SELECT xid, replace(mode, 'For ', '') FROM unnest(r.xids, r.modes) AS u (xid, mode)
      WHERE mode IN ('For Update', 'For Key Share', 'Key Share')) AS m (xid, mode)
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relnamespace <> 'pg_catalog'::regnamespace
      AND m.xid = ANY (ARRAY(SELECT transactionid FROM mine WHERE locktype = 'transactionid'))
    GROUP BY c.oid, m.mode
  LOOP
    columns := ARRAY(SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = target::regclass AND i.indisprimary ORDER BY a.attnum);
    IF columns = '{}' THEN
      condition := format('ctid = ANY (%L)', tids);
    ELSE
      EXECUTE format('SELECT string_agg(format(''(%%s)'', concat_ws('','', %s)), '','') FROM ONLY %s WHERE ctid = ANY ($1)',
        (SELECT string_agg(format('quote_literal(%I::text)', c), ',') FROM unnest(columns) c), target)
        INTO keys USING tids;
      condition := format('(%s) IN (%s)', (SELECT string_agg(quote_ident(c), ',') FROM unnest(columns) c), keys);
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;
`

/** Whether this transaction has locked a row without changing it, for each of these. */
export const areHeld = (locks: ReadonlyArray<RowLocks>): string =>
  `SELECT ${locks.map(({ condition, strength, target }) => `pg_catalog.dsql_emulator_is_held(${[target, strength, condition].map(Quote.literal).join(", ")})`).join(", ")}`

/** Row locks: which rows of a table, how strongly. */
export interface RowLocks {
  readonly target: string
  readonly strength: string
  readonly condition: string
  /** Of one row: its primary key, spelled in one way only. */
  readonly key?: string | undefined
  /** Not known to be held: the row says so. */
  readonly isSupposed?: boolean | undefined
}

/** Whether a backend holds a lock on a row that conflicts with any of these. */
export const isInConflict = (backend: number, locks: ReadonlyArray<RowLocks>): string => {
  const groups = Map.groupBy(locks, ({ strength, target }) => `${strength} ${target}`)
  const questions = [...groups.values()].flatMap(([first, ...more]) =>
    first === undefined
      ? []
      : [
          isAnyInConflict(
            first,
            [first, ...more].map(({ condition }) => condition)
          )
        ]
  )
  return `WITH accused AS MATERIALIZED (SELECT pg_catalog.dsql_emulator_transaction_ids(${backend}) AS ids)
SELECT ${questions.join(" OR ")}`
}

// Most rows have never been locked by anybody else. For the others, one look at all locks of the table.
const isAnyInConflict = ({ strength, target }: RowLocks, conditions: ReadonlyArray<string>): string => {
  const rows = `FROM ONLY ${target} WHERE (${[...new Set(conditions)].join(" OR ")})`
  return `CASE WHEN EXISTS (SELECT ${rows} AND xmax <> 0) THEN EXISTS (
  SELECT FROM accused, pg_catalog.dsql_emulator_pgrowlocks(${Quote.literal(target)}) l
  JOIN (SELECT ctid AS place ${rows}) r ON r.place = l.locked_row,
  unnest(l.xids, l.modes) AS m (xid, mode)
  WHERE m.xid = ANY (accused.ids)
    ${strength === "Update" ? "" : "AND m.mode IN ('For Update', 'Update')"}) ELSE false END`
}
