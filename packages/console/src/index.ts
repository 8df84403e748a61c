/**
 * What the emulator does, to look at.
 *
 * @since 0.1.0
 */
export * as Console from "./Console.ts"
export * as Message from "./Message.ts"
