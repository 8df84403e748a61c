/**
 * What is stored and how it changes.
 *
 * @since 0.1.0
 */
