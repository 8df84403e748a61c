/**
 * Asynchronous jobs: the tables and procedures of `sys` that tell of them, and how one is submitted.
 */
import { Quote } from "@effect-dsql/dialect"
import { randomBytes } from "node:crypto"
import type { Async } from "../statement/plan.ts"

/** The SQLSTATE of a notice that names a job which is not finished. */
export const unfinished = "DSQLJ"

/** SQL that makes what jobs need in a database. */
export const definitions = `
CREATE TABLE pg_catalog.dsql_emulator_jobs (
  job_id text PRIMARY KEY,
  status text NOT NULL DEFAULT 'submitted',
  details text,
  job_type text NOT NULL,
  class_id oid NOT NULL,
  object_id oid NOT NULL,
  command text NOT NULL,
  start_time timestamptz NOT NULL DEFAULT now(),
  update_time timestamptz
);

CREATE VIEW sys.jobs AS
  SELECT j.job_id, j.status, j.details, j.job_type, j.class_id, j.object_id,
    (SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.oid = j.object_id) AS object_name,
    j.start_time, j.update_time
  FROM pg_catalog.dsql_emulator_jobs j
  WHERE j.update_time IS NULL OR j.update_time > now() - interval '30 minutes';
GRANT SELECT ON sys.jobs TO PUBLIC;

CREATE PROCEDURE sys.wait_for_job(job_id text, INOUT succeeded boolean DEFAULT NULL)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  status text;
BEGIN
  IF job_id !~ '^[a-z2-7]{26}$' THEN
    RAISE EXCEPTION USING ERRCODE = '22P02', MESSAGE = 'Unable to convert text to UUID';
  END IF;
  SELECT j.status INTO status FROM pg_catalog.dsql_emulator_jobs j WHERE j.job_id = wait_for_job.job_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('unknown job %s', job_id);
  ELSIF status IN ('submitted', 'processing') THEN
    RAISE INFO USING ERRCODE = '${unfinished}', MESSAGE = job_id;
  END IF;
  succeeded := status = 'completed';
END $$;

-- A new index is not valid before its job has checked it, and enforces uniqueness all the same.
CREATE FUNCTION pg_catalog.dsql_emulator_submit_index(job text, target regclass, is_unique boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  index oid := (SELECT max(indexrelid) FROM pg_index WHERE indrelid = target);
BEGIN
  UPDATE pg_index SET indisvalid = false, indisunique = is_unique WHERE indexrelid = index;
  INSERT INTO pg_catalog.dsql_emulator_jobs (job_id, job_type, class_id, object_id, command)
    VALUES (job, 'INDEX_BUILD', 1259, index, 'REINDEX INDEX ' || index::regclass);
END $$;

CREATE FUNCTION pg_catalog.dsql_emulator_submit_validation(job text, target regclass, name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = target AND conname = name) THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('constraint "%s" of relation "%s" does not exist', name,
      (SELECT relname FROM pg_class WHERE oid = target));
  END IF;
  INSERT INTO pg_catalog.dsql_emulator_jobs (job_id, job_type, class_id, object_id, command)
    VALUES (job, 'VALIDATE_CONSTRAINT', 1259, target, format('ALTER TABLE %s VALIDATE CONSTRAINT %I', target, name));
END $$;
`

/** The latest jobs that `sys.jobs` tells of. */
export const latest = "SELECT job_id, status, job_type, object_name FROM sys.jobs ORDER BY start_time DESC LIMIT 10"

const alphabet = "abcdefghijklmnopqrstuvwxyz234567"

/** A job id as the service makes them: 16 bytes in lower-case base32. */
export const makeId = (): string => {
  let bits = BigInt(`0x${randomBytes(16).toString("hex")}`) << 2n
  let id = ""
  for (let n = 0; n < 26; n++) {
    id = (alphabet[Number(bits & 31n)] ?? "a") + id
    bits >>= 5n
  }
  return id
}

/** Submits a job, in the transaction of the statement that asks for it. */
export const submit = (id: string, job: Async): string =>
  job._tag === "Index"
    ? `SELECT pg_catalog.dsql_emulator_submit_index(${Quote.literal(id)}, ${Quote.literal(job.table)}, ${job.unique})`
    : `SELECT pg_catalog.dsql_emulator_submit_validation(${Quote.literal(id)}, ${Quote.literal(job.table)}, ${Quote.literal(job.constraint)})`
