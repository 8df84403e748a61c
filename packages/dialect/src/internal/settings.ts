/**
 * Which settings a session of DSQL can have: the list of the user guide's page on access, as it was quoted on
 * 2026-09-30. It names `role` as well, which clusters were seen to refuse.
 */

/** Their names in small letters, but for the planner's switches, which all begin with `enable_`. */
export const settable: ReadonlySet<string> = new Set([
  "application_name",
  "client_encoding",
  "datestyle",
  "disable_sync_create_index",
  "dsql.enable_batched_nestloop",
  "extra_float_digits",
  "intervalstyle",
  "search_path",
  "timezone"
])

/** Whether SET and the startup of a connection may name it. */
export const isSettable = (name: string): boolean => {
  const lower = name.toLowerCase()
  return settable.has(lower) || lower.startsWith("enable_")
}
