/**
 * What the constraint of a table's primary key is called, where nobody has named it. A dot parts a schema from a table.
 */
export const primaryKeyOf = (table: string): string => `${table.slice(table.lastIndexOf(".") + 1)}_pkey`
