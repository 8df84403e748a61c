/**
 * Options are checked where they are taken. What makes no sense is a mistake in the program: a defect, in one line that
 * names the option and says what it may be.
 */
import * as Duration from "effect/Duration"

/** A count. */
export const whole = (name: string, value: number, least: number): number => {
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new Error(`${name} must be a whole number of at least ${least}, and is ${value}`)
}

/** So much of something, such as a rate. */
export const positive = (name: string, value: number): number => {
  if (Number.isFinite(value) && value > 0) return value
  throw new Error(`${name} must be a number above 0, and is ${value}`)
}

/** Milliseconds of a time that may be none. It may be infinite. */
export const wait = (name: string, input: Duration.Input): number => {
  const millis = millisOf(input)
  if (millis >= 0) return millis
  throw new Error(`${name} must not be negative, and is ${millis} ms`)
}

/** Milliseconds of a time that passes. It may be infinite. */
export const period = (name: string, input: Duration.Input): number => {
  const millis = millisOf(input)
  if (millis > 0) return millis
  throw new Error(`${name} must be longer than 0, and is ${millis} ms`)
}

/** Milliseconds of a time that is not too short and not too long. */
export const between = (
  name: string,
  input: Duration.Input,
  least: Duration.Duration,
  most: Duration.Duration
): number => {
  const millis = millisOf(input)
  if (millis >= millisOf(least) && millis <= millisOf(most)) return millis
  const range = `from ${Duration.format(least)} to ${Duration.format(most)}`
  throw new Error(`${name} must be ${range}, and is ${millis} ms`)
}

/** Duration has no NaN: it takes one for 0. */
const millisOf = (input: Duration.Input) => Duration.toMillis(Duration.fromInputUnsafe(input))
