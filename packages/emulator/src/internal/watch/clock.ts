/**
 * The time that whoever watches is told. It goes on as this process's does, whatever the machine's clock is set to.
 */

/** Milliseconds since 1970, with parts of them. */
export const now = (): number => performance.timeOrigin + performance.now()
