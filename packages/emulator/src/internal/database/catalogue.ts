/**
 * What the catalogue and PostgreSQL's unique indexes know of the keys of tables.
 */
import { Quote } from "@effect-dsql/dialect"
import * as Draws from "./draws.ts"
import { firstOfUsers } from "./oids.ts"

/** SQL that makes what finds a key that a snapshot sees twice. */
export const definitions = `
-- Whether this transaction sees two rows with one key: one of its own, and one that somebody else deleted since.
CREATE FUNCTION pg_catalog.dsql_emulator_has_ghosts(target regclass) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  own text[] := pg_catalog.dsql_emulator_transaction_ids(pg_backend_pid())::text[];
  condition text;
  found boolean := false;
BEGIN
  FOR condition IN
    SELECT (SELECT string_agg(format('a.%1$I = b.%1$I', attname), ' AND ') FROM pg_attribute
      WHERE attrelid = target AND attnum = ANY ((string_to_array(i.indkey::text, ' ')::int2[])[1:i.indnkeyatts]))
    FROM pg_index i
    WHERE i.indrelid = target AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %1$s a JOIN ONLY %1$s b ON %2$s AND a.ctid <> b.ctid WHERE a.xmin::text = ANY ($1))',
      target, condition) INTO found USING own;
    IF found THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;

-- Whether this transaction sees a row that refers to one which it has taken out of a table: a row that somebody else
-- took away since, so that no action of a foreign key came to it. What waits for COMMIT may dangle until then.
CREATE FUNCTION pg_catalog.dsql_emulator_has_danglers(parent regclass) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  child regclass;
  refers text;
  condition text;
  found boolean := false;
BEGIN
  FOR child, refers, condition IN
    SELECT k.conrelid, string_agg(format('c.%I IS NOT NULL', a.attname), ' AND '),
      string_agg(format('p.%I = c.%I', f.attname, a.attname), ' AND ')
    FROM pg_constraint k, unnest(k.conkey, k.confkey) AS o (own, other)
    JOIN pg_attribute a ON a.attnum = o.own JOIN pg_attribute f ON f.attnum = o.other
    WHERE k.contype = 'f' AND k.confrelid = parent AND NOT k.condeferrable
      AND a.attrelid = k.conrelid AND f.attrelid = k.confrelid
    GROUP BY k.oid, k.conrelid
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s c WHERE c.xmax <> 0 AND %s
      AND NOT EXISTS (SELECT FROM ONLY %s p WHERE %s))', child, refers, parent, condition) INTO found;
    IF found THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;
`

/** Whether an expression, as PostgreSQL keeps it, calls a function that draws a value. */
const draws = (tree: string): string => `EXISTS (
    SELECT FROM pg_catalog.regexp_matches(${tree}::text, ':funcid (\\d+)', 'g') m WHERE m[1] IN (SELECT oid FROM drawing))`

/**
 * What acts, because it comes to a function of a user of which some are volatile or to a locking clause, and what
 * draws a value: views, tables whose defaults do, domains, functions.
 */
const reached = `
WITH RECURSIVE own AS (
  SELECT oid, provolatile FROM pg_catalog.pg_proc WHERE oid >= ${firstOfUsers}
    AND pronamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname IN ('pg_catalog', 'sys'))
), drawing AS (
  SELECT oid::text FROM pg_catalog.pg_proc WHERE oid < ${firstOfUsers} AND proname IN (${[...Draws.functions].map(Quote.literal).join(", ")})
), viewed AS MATERIALIZED (
  SELECT r.oid, r.ev_action FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
    WHERE r.oid >= ${firstOfUsers}
      AND c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname IN ('pg_catalog', 'sys'))
), reached (kind, class, object) AS (
  (
    SELECT 'acts', 'pg_catalog.pg_proc'::regclass::oid, oid FROM own WHERE EXISTS (SELECT FROM own WHERE provolatile = 'v')
    UNION ALL
    SELECT kind, 'pg_catalog.pg_rewrite'::regclass, oid FROM viewed,
      LATERAL (VALUES ('acts', ev_action::text LIKE '%:hasForUpdate true%'), ('draws', ${draws("ev_action")})) v (kind, holds)
      WHERE holds
    UNION ALL
    SELECT 'draws', 'pg_catalog.pg_class'::regclass, adrelid FROM pg_catalog.pg_attrdef
      WHERE adrelid >= ${firstOfUsers} AND ${draws("adbin")}
    UNION ALL
    SELECT 'draws', 'pg_catalog.pg_type'::regclass, oid FROM pg_catalog.pg_type
      WHERE oid >= ${firstOfUsers} AND typdefaultbin IS NOT NULL AND ${draws("typdefaultbin")}
    UNION ALL
    SELECT 'draws', 'pg_catalog.pg_class'::regclass, attrelid FROM pg_catalog.pg_attribute
      WHERE attrelid >= ${firstOfUsers} AND attidentity <> ''
  )
  UNION
  SELECT r.kind, d.class, d.object FROM reached r, LATERAL (
    SELECT classid, objid FROM pg_catalog.pg_depend
      WHERE refclassid = r.class AND refobjid = r.object AND deptype IN ('n', 'a')
        AND (r.class <> 'pg_catalog.pg_class'::regclass OR classid = 'pg_catalog.pg_rewrite'::regclass)
    UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass, ev_class FROM pg_catalog.pg_rewrite
      WHERE r.class = 'pg_catalog.pg_rewrite'::regclass AND oid = r.object
    UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass, adrelid FROM pg_catalog.pg_attrdef
      WHERE r.class = 'pg_catalog.pg_attrdef'::regclass AND oid = r.object
    UNION ALL
    SELECT CASE WHEN conrelid <> 0 THEN 'pg_catalog.pg_class'::regclass ELSE 'pg_catalog.pg_type'::regclass END,
      CASE WHEN conrelid <> 0 THEN conrelid ELSE contypid END FROM pg_catalog.pg_constraint
      WHERE r.class = 'pg_catalog.pg_constraint'::regclass AND oid = r.object
  ) d (class, object)
)`

/** Prepares `references` in a session: planning it takes as long as running it, and it is asked for after each change. */
export const prepareReferences = `PREPARE dsql_emulator_references AS
${reached}
SELECT DISTINCT r.kind, coalesce(p.proname, c.relname, t.typname)::text FROM reached r
LEFT JOIN pg_catalog.pg_proc p ON r.class = 'pg_catalog.pg_proc'::regclass AND p.oid = r.object AND p.oid >= ${firstOfUsers}
LEFT JOIN pg_catalog.pg_class c ON r.class = 'pg_catalog.pg_class'::regclass AND c.oid = r.object AND c.oid >= ${firstOfUsers}
LEFT JOIN pg_catalog.pg_type t ON r.class = 'pg_catalog.pg_type'::regclass AND t.oid = r.object AND t.oid >= ${firstOfUsers}
WHERE coalesce(p.proname, c.relname, t.typname) IS NOT NULL
UNION ALL
SELECT DISTINCT 'child', c.relname::text FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
WHERE k.contype = 'f' AND k.conrelid >= ${firstOfUsers}
UNION ALL
SELECT DISTINCT 'acting', c.relname FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.confrelid
WHERE k.contype = 'f' AND k.conrelid >= ${firstOfUsers}
  AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
UNION ALL
SELECT DISTINCT 'key', c.relname || '.' || a.attname FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indrelid >= ${firstOfUsers} AND i.indisunique AND c.relkind = 'r' AND c.relnamespace <> 'pg_catalog'::regnamespace
UNION ALL
SELECT DISTINCT 'key', c.relname || '.' || a.attname FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
WHERE k.contype = 'f' AND k.conrelid >= ${firstOfUsers}
UNION ALL
SELECT 'index', json_build_object('table', c.relname, 'columns',
    ARRAY(SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)))::text
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
WHERE i.indrelid >= ${firstOfUsers} AND NOT i.indisprimary AND c.relkind = 'r'
  AND c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema'))
UNION ALL
SELECT CASE WHEN i.indisprimary THEN 'primary' ELSE 'unique' END,
  json_build_object('table', c.relname, 'name', format('%I.%I', n.nspname, c.relname), 'columns',
    ARRAY(SELECT json_build_object('name', a.attname, 'type', a.atttypid::bigint) FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)))::text
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid >= ${firstOfUsers} AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND c.relkind = 'r'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class o WHERE o.relname = c.relname AND o.oid <> c.oid)`

/**
 * Tables with foreign keys, tables whose changes change rows of others, columns of keys, what acts and what
 * draws, by name; the columns of secondary indexes; and the keys of the tables whose name is theirs alone, as JSON.
 */
export const references = "EXECUTE dsql_emulator_references"

const asks = (what: "has_danglers" | "has_ghosts", tables: ReadonlyArray<string>): ReadonlyArray<string> =>
  tables.map(
    (table) =>
      `coalesce(pg_catalog.dsql_emulator_${what}(to_regclass(${Quote.literal(Quote.identifier(table))})), false)`
  )

/** Whether the transaction sees a key twice in one of the first tables, or what refers to nothing in one of the others. */
export const isTorn = (gained: ReadonlyArray<string>, lost: ReadonlyArray<string>): string =>
  `SELECT ${[...asks("has_ghosts", gained), ...asks("has_danglers", lost)].join(" OR ")}`

/** How many columns COPY writes to in a table. */
export const copiedColumns = (table: string): string => `
SELECT count(*) FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass(${Quote.literal(table)})
  AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`

/** The first of some constraints that is the primary key of a table. */
export const primaryKeyConstraint = (table: string, constraints: ReadonlyArray<string>): string => `
SELECT conname FROM pg_catalog.pg_constraint
WHERE conrelid = pg_catalog.to_regclass(${Quote.literal(table)}) AND contype = 'p'
  AND conname IN (${constraints.map(Quote.literal).join(", ")}) LIMIT 1`

/** The first of some columns that is in the primary key of a table. */
export const primaryKeyColumn = (table: string, columns: ReadonlyArray<string>): string => `
SELECT a.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid
WHERE i.indrelid = pg_catalog.to_regclass(${Quote.literal(table)}) AND i.indisprimary AND a.attnum = ANY (i.indkey)
  AND a.attname IN (${columns.map(Quote.literal).join(", ")}) LIMIT 1`

/** Of some roles, one that an IAM identity is mapped to. */
export const mappedRole = (roles: ReadonlyArray<string>): string =>
  `SELECT pg_role_name FROM sys.iam_pg_role_mappings WHERE pg_role_name IN (${roles.map(Quote.literal).join(", ")}) LIMIT 1`
