/**
 * Schema `sys` beside its jobs: functions that the service has, and who may be which role.
 */

/** Functions that a cluster lists and of which nobody recorded what they take or give. */
const unknown = [
  "base_type_oid",
  "decode_job_ext_status",
  "decode_job_statement",
  "decode_job_status",
  "fetch_seq_data_tuple",
  "get_key_desc",
  "job_err_msg",
  "supported_datatypes"
]

const alphabet = "abcdefghijklmnopqrstuvwxyz234567"

/** SQL that makes them. */
export const definitions = `
CREATE FUNCTION sys.dsql_major_version() RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT 1 $$;
CREATE FUNCTION sys.current_session_id() RETURNS uuid LANGUAGE sql STABLE
  AS $$ SELECT pg_catalog.md5(pg_catalog.pg_backend_pid()::text || backend_start::text)::uuid
    FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) $$;
CREATE FUNCTION sys.current_transaction_id() RETURNS text LANGUAGE sql STABLE
  AS $$ SELECT pg_catalog.pg_current_xact_id_if_assigned()::text $$;
CREATE FUNCTION sys.iam_session_user() RETURNS text LANGUAGE sql STABLE AS $$ SELECT NULL::text $$;
CREATE FUNCTION sys.cluster_size() RETURNS bigint LANGUAGE sql STABLE
  AS $$ SELECT pg_catalog.pg_database_size(pg_catalog.current_database()) $$;
CREATE FUNCTION sys.cluster_size_limit() RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT 10::bigint * 1024 * 1024 * 1024 * 1024 $$;
CREATE FUNCTION sys.uuid_to_base32_str(uuid) RETURNS text LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT pg_catalog.string_agg(pg_catalog.substr('${alphabet}',
      pg_catalog.substring(('x' || pg_catalog.replace($1::text, '-', ''))::bit(128)::text || '00', n * 5 + 1, 5)::bit(5)::int + 1, 1), '' ORDER BY n)
    FROM pg_catalog.generate_series(0, 25) n $$;
CREATE FUNCTION sys.base32_str_to_uuid(text) RETURNS uuid LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog AS $$
DECLARE
  bits text;
BEGIN
  IF $1 !~ '^[a-z2-7]{26}$' THEN
    RAISE EXCEPTION USING ERRCODE = '22P02', MESSAGE = 'Unable to convert text to UUID';
  END IF;
  bits := (SELECT string_agg((strpos('${alphabet}', c) - 1)::bit(5)::text, '' ORDER BY n)
    FROM string_to_table($1, NULL) WITH ORDINALITY s (c, n));
  RETURN (SELECT string_agg(to_hex(substring(bits, n * 4 + 1, 4)::bit(4)::int), '' ORDER BY n) FROM generate_series(0, 31) n)::uuid;
END $$;
${unknown
  .map(
    (name) => `CREATE FUNCTION sys.${name}() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = 'sys.${name} is not emulated: nobody recorded what it does';
END $$;`
  )
  .join("\n")}

CREATE TABLE pg_catalog.dsql_emulator_iam (
  iam_oid oid NOT NULL,
  arn text NOT NULL,
  role oid NOT NULL,
  grantor oid NOT NULL,
  PRIMARY KEY (arn, role)
);
CREATE VIEW sys.iam_pg_role_mappings AS
  SELECT m.iam_oid, m.arn, m.role AS pg_role_oid, r.rolname::text AS pg_role_name, m.grantor AS grantor_pg_role_oid,
    g.rolname::text AS grantor_pg_role_name
  FROM pg_catalog.dsql_emulator_iam m JOIN pg_catalog.pg_roles r ON r.oid = m.role
  LEFT JOIN pg_catalog.pg_roles g ON g.oid = m.grantor;
GRANT SELECT ON sys.iam_pg_role_mappings TO PUBLIC;

CREATE FUNCTION pg_catalog.dsql_emulator_grant_iam(role text, arn text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF session_user <> 'admin' THEN
    RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'permission denied to map an IAM identity to a role';
  END IF;
  INSERT INTO dsql_emulator_iam SELECT coalesce(max(iam_oid::bigint), 26000)::bigint + 1, $2, (quote_ident($1))::regrole, session_user::regrole
    FROM dsql_emulator_iam ON CONFLICT DO NOTHING;
END $$;
CREATE FUNCTION pg_catalog.dsql_emulator_revoke_iam(role text, arn text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF session_user <> 'admin' THEN
    RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'permission denied to map an IAM identity to a role';
  END IF;
  DELETE FROM dsql_emulator_iam m WHERE m.role = (quote_ident($1))::regrole AND m.arn = $2;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('role "%s" is not mapped to "%s"', $1, $2);
  END IF;
END $$;
`
