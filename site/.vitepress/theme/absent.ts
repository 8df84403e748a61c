/**
 * What a page has not: sockets, TLS, Node's cryptography, AWS's signer. The toolkit opens connections with them, and a
 * simulation opens none.
 */
const absent = () => {
  throw new Error("a page opens no connections")
}

export {
  absent as connect,
  absent as createHash,
  absent as createHmac,
  absent as DsqlSigner,
  absent as fromNodeProviderChain,
  absent as pbkdf2Sync,
  absent as randomBytes,
  absent as randomUUID
}
