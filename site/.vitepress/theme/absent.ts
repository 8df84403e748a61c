/**
 * What a page has not: sockets, TLS, Node's cryptography, AWS's signer. The toolkit opens connections with them, and a
 * simulation opens none.
 */
const absent = () => {
  throw new Error("a page opens no connections")
}

/** The driver makes its constant messages when it is loaded. */
export const Buffer = {
  allocUnsafe: (length: number) => Object.assign(new Uint8Array(length), { write: () => 0, writeInt32BE: () => 0 }),
  from: (data: ArrayLike<number>) => new Uint8Array(data)
}

export {
  absent as connect,
  absent as createHash,
  absent as createHmac,
  absent as DsqlSigner,
  absent as fromNodeProviderChain,
  absent as isIP,
  absent as pbkdf2Sync,
  absent as randomBytes,
  absent as randomUUID
}
