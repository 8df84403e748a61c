/**
 * FarmHash Fingerprint32, by which Temporal spreads task queues over its keyspace.
 *
 * The published hash never changes, so what other programs stored under it is found again.
 */

const c1 = 0xcc9e2d51
const c2 = 0x1b873593

const rotate = (value: number, bits: number): number => (value >>> bits) | (value << (32 - bits))

const step = (hash: number, bits: number): number => (Math.imul(rotate(hash, bits), 5) + 0xe6546b64) | 0

const scramble = (value: number): number => Math.imul(rotate(Math.imul(value, c1), 17), c2)

const mur = (value: number, hash: number): number => step(hash ^ scramble(value), 19)

const finish = (hash: number): number => {
  const first = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35)
  return second ^ (second >>> 16)
}

/** A hash of 32 bits, 0 to 4,294,967,295. */
export const fingerprint32 = (bytes: Uint8Array): number => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length <= 4) return upTo4(view) >>> 0
  if (bytes.length <= 12) return upTo12(view) >>> 0
  if (bytes.length <= 24) return upTo24(view) >>> 0
  return longer(view) >>> 0
}

const upTo4 = (view: DataView): number => {
  let b = 0
  let c = 9
  for (let index = 0; index < view.byteLength; index++) {
    b = (Math.imul(b, c1) + view.getInt8(index)) | 0
    c ^= b
  }
  return finish(mur(b, mur(view.byteLength, c)))
}

const upTo12 = (view: DataView): number => {
  const length = view.byteLength
  const fetch = (at: number) => view.getInt32(at, true)
  const a = length + fetch(0)
  const b = length * 5 + fetch(length - 4)
  const c = 9 + fetch((length >> 1) & 4)
  return finish(mur(c, mur(b, mur(a, length * 5))))
}

const upTo24 = (view: DataView): number => {
  const length = view.byteLength
  const half = length >> 1
  const fetch = (at: number) => view.getInt32(at, true)
  const [b, c, d, e, f] = [fetch(4), fetch(length - 8), fetch(half), fetch(0), fetch(length - 4)]
  let a = (rotate(fetch(half - 4), 12) + f) | 0
  let hash = (mur(c, (Math.imul(d, c1) + length) | 0) + a) | 0
  a = (rotate(a, 3) + c) | 0
  hash = (mur(e, hash) + a) | 0
  a = (rotate((a + f) | 0, 12) + d) | 0
  return finish((mur(b, hash) + a) | 0)
}

const longer = (view: DataView): number => {
  const length = view.byteLength
  const fetch = (at: number) => view.getInt32(at, true)
  const tail = (back: number) => scramble(fetch(length - back))
  let h = step(step(length ^ tail(4), 19) ^ tail(16), 19)
  let g = step(step(Math.imul(c1, length) ^ tail(8), 19) ^ tail(12), 19)
  let f = (rotate((Math.imul(c1, length) + tail(20)) | 0, 19) + 113) | 0
  for (let at = 0; at < Math.floor((length - 1) / 20) * 20; at += 20) {
    const [a, b, c, d, e] = [fetch(at), fetch(at + 4), fetch(at + 8), fetch(at + 12), fetch(at + 16)]
    h = (mur(d, (h + a) | 0) + e) | 0
    g = (mur(c, (g + b) | 0) + a) | 0
    f = (mur((b + Math.imul(e, c1)) | 0, (f + c) | 0) + d) | 0
    f = (f + g) | 0
    g = (g + f) | 0
  }
  const fold = (value: number) => Math.imul(rotate(Math.imul(rotate(value, 11), c1), 17), c1)
  const join = (hash: number, value: number) => Math.imul(rotate(step((hash + value) | 0, 19), 17), c1)
  return join(join(h, fold(g)), fold(f))
}
