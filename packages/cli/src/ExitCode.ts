/**
 * How `effect-dsql` ends, as a number for scripts.
 *
 * @since 0.1.0
 * @stability stable
 */

/**
 * | code | name | meaning |
 * | --- | --- | --- |
 * | 0 | `ok` | done, or nothing to do |
 * | 1 | `failed` | the work itself failed, or was declined; what ran before stays, run again to go on; `lint`, `verify`, `repair`, `doctor`, `probe`: something was found |
 * | 2 | `usage` | bad input: flags, environment, files; nothing was changed |
 * | 3 | `connection` | cannot connect or authenticate, or the connection was lost |
 * | 4 | `incompatible` | the database is not set up, not up to date, further than the schema, or holds another one |
 * | 70 | `defect` | a defect of this program |
 * | 74 | `output` | what it printed could not be written: the disk is full |
 * | 129 | `hangup` | its terminal was closed (SIGHUP) |
 * | 130 | `interrupted` | stopped by Ctrl-C or SIGTERM |
 * | 141 | `pipe` | whoever read what it printed has gone (SIGPIPE) |
 *
 * @since 0.1.0
 * @category constants
 */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  connection: 3,
  incompatible: 4,
  defect: 70,
  output: 74,
  hangup: 129,
  interrupted: 130,
  pipe: 141
} as const

/**
 * @since 0.1.0
 * @category models
 */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]
