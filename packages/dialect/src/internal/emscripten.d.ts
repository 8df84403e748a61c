/** The two parser builds ship no types for the module that instantiates their WebAssembly. */

declare module "libpg-query/wasm/libpg-query.js" {
  const factory: () => Promise<import("./engine.ts").ParserModule>
  export default factory
}

declare module "libpg-query-scanner/wasm/libpg-query.js" {
  const factory: () => Promise<import("./engine.ts").ScannerModule>
  export default factory
}
