/** The two parser builds ship no types for the module that instantiates their WebAssembly; these are the exports used. */

declare module "libpg-query/wasm/libpg-query.js" {
  /** One instance of PostgreSQL 16's parser. */
  export interface ParserModule {
    readonly _malloc: (bytes: number) => number
    readonly _free: (pointer: number) => void
    readonly lengthBytesUTF8: (text: string) => number
    readonly stringToUTF8: (text: string, pointer: number, bytes: number) => void
    readonly UTF8ToString: (pointer: number) => string
    readonly getValue: (pointer: number, type: "i32") => number
    readonly _wasm_parse_query_raw: (text: number) => number
    readonly _wasm_free_parse_result: (result: number) => void
  }
  const factory: () => Promise<ParserModule>
  export default factory
}

declare module "libpg-query-scanner/wasm/libpg-query.js" {
  /** One instance of PostgreSQL 18's lexer, and of PL/pgSQL's parser. */
  export interface ScannerModule {
    readonly _malloc: (bytes: number) => number
    readonly _free: (pointer: number) => void
    readonly lengthBytesUTF8: (text: string) => number
    readonly stringToUTF8: (text: string, pointer: number, bytes: number) => void
    readonly UTF8ToString: (pointer: number) => string
    readonly _wasm_scan: (text: number) => number
    readonly _wasm_parse_plpgsql: (text: number) => number
    readonly _wasm_free_string: (text: number) => void
  }
  const factory: () => Promise<ScannerModule>
  export default factory
}
