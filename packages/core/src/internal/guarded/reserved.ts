/**
 * The parts of a guarded statement have names, and a table of the same name could not be read in it.
 */

/** How those names begin, and no table's or column's may. */
export const reserved = "_guarded_"
