/**
 * Values by what they are made of.
 */

/** More are not remembered: a program that limits each of its users has as many. */
const most = 10_000

/** Makes a value once for all who ask with the same, until too many others are asked for. */
export const forgetful = <Options, A>(make: (options: Options) => A): ((options: Options) => A) => {
  const known = new Map<string, A>()
  return (options) => {
    const name = JSON.stringify(options)
    const found = known.get(name)
    if (found !== undefined) return found
    if (known.size >= most) known.clear()
    const made = make(options)
    known.set(name, made)
    return made
  }
}
