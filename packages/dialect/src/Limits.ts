/**
 * The hard limits of Aurora DSQL that a client can exceed, with their sources.
 *
 * @since 0.1.0
 */

/** Rows that one transaction may change; the 3,001st fails at its statement. Source: CHAP_quotas, recorded probe. */
export const transactionRows = 3_000

/** Bytes that one transaction may change, checked at COMMIT: 10 MiB. Source: CHAP_quotas. */
export const transactionBytes = 10 * 1024 * 1024

/** Seconds from BEGIN after which a transaction is refused. Source: CHAP_quotas. */
export const transactionSeconds = 300

/** Minutes after which the service closes a connection. Source: CHAP_quotas. */
export const connectionMinutes = 60

/** Bytes of one column value: 1 MiB. Source: CHAP_quotas. */
export const columnBytes = 1024 * 1024

/** Bytes of one row: 2 MiB. Source: CHAP_quotas. */
export const rowBytes = 2 * 1024 * 1024

/** Bytes of a primary key, all its columns together: 1 KiB. Source: CHAP_quotas; about twice that was observed. */
export const keyBytes = 1024

/** Columns of a primary key or an index. Source: CHAP_quotas; the ninth is refused with 54011. */
export const keyColumns = 8

/** Indexes of one table, primary key and unique constraints included. Source: CHAP_quotas. */
export const tableIndexes = 24

/** Columns of one table. Source: CHAP_quotas; 256 were observed to work. */
export const tableColumns = 255

/** Bytes that one query may use for its work: 128 MiB. Source: CHAP_quotas. */
export const queryBytes = 128 * 1024 * 1024

/** Tables of one database. Source: CHAP_quotas. */
export const tables = 1_000

/** Schemas of one database. Source: CHAP_quotas. */
export const schemas = 10

/** New connections per second that a cluster accepts in the long run. Source: CHAP_quotas. */
export const connectionsPerSecond = 100

/** Connections that a cluster holds at most. Source: CHAP_quotas. */
export const connections = 10_000

/** Seconds that an IAM token is valid for when nothing else is asked. Source: SECTION_authentication-token. */
export const tokenSeconds = 900
