/**
 * Which objects of a database are its users' and the emulator's, and which PostgreSQL brings along.
 */

/** The least oid that is not PostgreSQL's own: nearly all that a catalogue holds is below it. */
export const firstOfUsers = 16_384
