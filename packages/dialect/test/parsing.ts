/** Parses two hundred statements and twenty functions, and prints the KiB that the process has taken at most. */
import { Statement } from "@effect-dsql/dialect"
import { Effect } from "effect"

const statements = Array.from({ length: 200 }, (_, n) => `CREATE TABLE t${n} (id uuid PRIMARY KEY, name text NOT NULL)`)
const functions = Array.from(
  { length: 20 },
  (_, n) => `CREATE FUNCTION f${n}() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM t); END $$`
)

const program = Effect.forEach([...statements, ...functions], (text) =>
  Effect.map(Statement.parse(text), (parsed) => parsed.map(Statement.writes))
)

await Effect.runPromise(program)
process.stdout.write(String(process.resourceUsage().maxRSS))
