/**
 * The hard limits of Aurora DSQL that a client can exceed, with their sources.
 *
 * CHAP_quotas is the page of quotas of the Aurora DSQL user guide, as it stood on 2026-09-15:
 * https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html. {@link all} says with which answers the
 * service refuses what is beyond a limit, where anybody has recorded one.
 *
 * @since 0.1.0
 * @stability stable
 */

/**
 * Rows that one transaction may change, whether by one statement or many: the statement that changes the 3,001st fails.
 *
 * Source: CHAP_quotas; a cluster's recorded answers.
 *
 * @since 0.1.0
 * @category constants
 */
export const transactionRows = 3_000

/**
 * Bytes that one transaction may change, with what the service adds for each row and index entry: 10 MiB. COMMIT fails,
 * not the statement.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const transactionBytes = 10 * 1024 * 1024

/**
 * Seconds from BEGIN after which a transaction is refused, whether it works or waits.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const transactionSeconds = 300

/**
 * Minutes after which the service closes a connection. A transaction that was begun before may still end.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const connectionMinutes = 60

/**
 * Bytes of one column's value: 1 MiB, as stored. Text that compresses well may be longer.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const columnBytes = 1024 * 1024

/**
 * Bytes of one row, all its columns together: 2 MiB.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const rowBytes = 2 * 1024 * 1024

/**
 * Bytes of a primary key, all its columns together: 1 KiB. Clusters were seen to take up to about 1,981, which nobody
 * promises.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const keyBytes = 1024

/**
 * Columns of a primary key or an index. The ninth is refused with 54011.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const keyColumns = 8

/**
 * Indexes of one table; the primary key and unique constraints count.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const tableIndexes = 24

/**
 * Columns of one table. Tables of {@link tableColumnsSeen} were seen, which nobody promises.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const tableColumns = 255

/**
 * Columns of one table beyond which a cluster refused it with 54011 on 2026-10-01: one more than the documentation and the
 * message say.
 *
 * Source: https://github.com/awslabs/agent-plugins, skills/dsql/references/limits-and-error-codes.md.
 *
 * @since 0.1.0
 * @category constants
 */
export const tableColumnsSeen = 256

/**
 * Bytes that the columns of a key may be declared with together; refused where the key is defined.
 *
 * Source: https://github.com/awslabs/agent-plugins, skills/dsql/references/limits-and-error-codes.md, 2026-10-01.
 *
 * @since 0.1.0
 * @category constants
 */
export const declaredKeyBytes = 2_000

/**
 * Bytes of a view's text beyond which a cluster was seen to refuse one. What fits depends on the view: simple ones were
 * accepted up to 512 KiB, and the documentation says 2 MiB.
 *
 * Source: https://github.com/awslabs/agent-plugins, skills/dsql/references/limits-and-error-codes.md, 2026-10-01.
 *
 * @since 0.1.0
 * @category constants
 */
export const viewBytes = 128 * 1024

/**
 * Bytes of one message of the protocol: a longer one ends the connection.
 *
 * Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/troubleshooting.html.
 *
 * @since 0.1.0
 * @category constants
 */
export const messageBytes = 10 * 1024 * 1024

/**
 * Bytes that one query may use to sort, hash and aggregate: 128 MiB.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const queryBytes = 128 * 1024 * 1024

/**
 * Tables of one database; a cluster has one database.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const tables = 1_000

/**
 * Schemas of one database.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const schemas = 10

/**
 * New connections per second that a cluster accepts in the long run: what refills {@link connectionBurst}.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const connectionsPerSecond = 100

/**
 * New connections that a cluster accepts at once after a quiet time.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const connectionBurst = 1_000

/**
 * Connections that a cluster holds at most.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const connections = 10_000

/**
 * Views of one database.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const views = 5_000

/**
 * Sequences of one database.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const sequences = 5_000

/**
 * Extended statistics (`CREATE STATISTICS`) of one table.
 *
 * Source: CHAP_quotas.
 *
 * @since 0.1.0
 * @category constants
 */
export const tableStatistics = 5

/**
 * Seconds that an IAM token is valid for when nothing else is asked. It is read only when a connection begins, which
 * then outlives it.
 *
 * Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/SECTION_authentication-token.html
 *
 * @since 0.1.0
 * @category constants
 */
export const tokenSeconds = 900

/**
 * A limit, as a row of a table.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limit {
  /** The name of its constant in this module. */
  readonly name: string
  readonly value: number
  readonly unit: "rows" | "bytes" | "seconds" | "minutes" | "columns" | "objects" | "connections" | "connections/s"
  /** What it is counted over. */
  readonly of: string
  /** The SQLSTATE of the answer beyond it; left out where nobody saw one. */
  readonly sqlstate?: string | undefined
  /** The answer's message, or how it begins. */
  readonly message?: string | undefined
  /** Where it is known from: a page of the Aurora DSQL user guide, or what was observed. */
  readonly source: string
  /** The day on which the source said so, `YYYY-MM-DD`. */
  readonly seen: string
}

const quotas = {
  source: "https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html",
  seen: "2026-09-15"
}

const seen = {
  source: "https://github.com/awslabs/agent-plugins, skills/dsql/references/limits-and-error-codes.md",
  seen: "2026-10-01"
}

/**
 * All limits, with the server's answers beyond them.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReadonlyArray<Limit> = [
  {
    name: "transactionRows",
    value: transactionRows,
    unit: "rows",
    of: "changed in a transaction; the statement that exceeds it fails",
    sqlstate: "54000",
    message: "transaction row limit exceeded",
    source: "https://github.com/Dreamescaper/dsql-emulator, answers of a cluster recorded until 2026-09-18",
    seen: "2026-09-18"
  },
  {
    name: "transactionBytes",
    value: transactionBytes,
    unit: "bytes",
    of: "changed in a transaction, with what rows and indexes add; COMMIT fails",
    sqlstate: "54000",
    message: "transaction size limit 10mb exceeded",
    ...quotas
  },
  {
    name: "transactionSeconds",
    value: transactionSeconds,
    unit: "seconds",
    of: "from BEGIN",
    sqlstate: "54000",
    message: "transaction age limit of 300s exceeded",
    ...quotas
  },
  { name: "connectionMinutes", value: connectionMinutes, unit: "minutes", of: "a connection", ...quotas },
  {
    name: "columnBytes",
    value: columnBytes,
    unit: "bytes",
    of: "the value of a column, as it is stored",
    sqlstate: "54000",
    message: "datatype limit greater than 1048576 bytes not supported for",
    ...seen
  },
  {
    name: "rowBytes",
    value: rowBytes,
    unit: "bytes",
    of: "a row",
    sqlstate: "54000",
    message: "maximum row size exceeded",
    ...seen
  },
  { name: "keyBytes", value: keyBytes, unit: "bytes", of: "a primary key", ...quotas },
  {
    name: "keyColumns",
    value: keyColumns,
    unit: "columns",
    of: "a primary key or an index",
    sqlstate: "54011",
    message: "more than 8 column keys in an index are not supported",
    ...quotas
  },
  {
    name: "tableIndexes",
    value: tableIndexes,
    unit: "objects",
    of: "indexes of a table, primary key and unique constraints included",
    sqlstate: "54000",
    message: "more than 24 indexes per table are not allowed",
    ...seen
  },
  { name: "tableColumns", value: tableColumns, unit: "columns", of: "a table", ...quotas },
  {
    name: "tableColumnsSeen",
    value: tableColumnsSeen,
    unit: "columns",
    of: "a table, as a cluster was seen to count them",
    sqlstate: "54011",
    message: "tables can have at most 255 columns",
    ...seen
  },
  {
    name: "declaredKeyBytes",
    value: declaredKeyBytes,
    unit: "bytes",
    of: "the declared lengths of a key's columns",
    sqlstate: "54000",
    message: "key size greater than 2000 bytes not supported",
    ...seen
  },
  {
    name: "viewBytes",
    value: viewBytes,
    unit: "bytes",
    of: "the text of a view, for the least that was refused",
    sqlstate: "54000",
    message: "view definition too large",
    ...seen
  },
  {
    name: "messageBytes",
    value: messageBytes,
    unit: "bytes",
    of: "a message; a longer one ends the connection without an answer",
    ...seen
  },
  {
    name: "queryBytes",
    value: queryBytes,
    unit: "bytes",
    of: "the work memory of a query",
    sqlstate: "54000",
    message: "query requires more than allowed temp space of 131072 KB to execute",
    ...quotas
  },
  { name: "tables", value: tables, unit: "objects", of: "tables of a database", ...quotas },
  {
    name: "schemas",
    value: schemas,
    unit: "objects",
    of: "schemas of a database beside public and sys",
    sqlstate: "54000",
    message: "more than 10 schemas not allowed",
    ...seen
  },
  { name: "views", value: views, unit: "objects", of: "views of a database", ...quotas },
  { name: "sequences", value: sequences, unit: "objects", of: "sequences of a database", ...quotas },
  {
    name: "tableStatistics",
    value: tableStatistics,
    unit: "objects",
    of: "extended statistics of a table",
    sqlstate: "54000",
    message: "more than 5 extended statistics per table are not allowed",
    ...seen
  },
  {
    name: "connectionsPerSecond",
    value: connectionsPerSecond,
    unit: "connections/s",
    of: "new connections of a cluster",
    sqlstate: "53400",
    message: "Unable to accept connection, rate exceeded.",
    ...quotas
  },
  {
    name: "connectionBurst",
    value: connectionBurst,
    unit: "connections",
    of: "new ones at once, before the rate counts",
    sqlstate: "53400",
    message: "Unable to accept connection, rate exceeded.",
    ...quotas
  },
  {
    name: "connections",
    value: connections,
    unit: "connections",
    of: "a cluster",
    sqlstate: "53300",
    message: "Unable to accept connection, too many open connections.",
    ...quotas
  },
  { name: "tokenSeconds", value: tokenSeconds, unit: "seconds", of: "an IAM token", ...quotas }
]
