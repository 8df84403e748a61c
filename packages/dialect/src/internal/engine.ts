/**
 * PostgreSQL's own parser and lexer, as WebAssembly instances that can be replaced.
 *
 * libpg-query's published functions keep one instance for the life of the
 * process. A statement nested too deeply overflows that instance's stack and
 * leaves it unusable for every statement after it, so this module makes the
 * instances itself and drops one that crashed. The 16 build has no scanner;
 * the lexer is taken from the 18 build, which differs only in which words are
 * keywords, and with it PL/pgSQL's parser, which has not changed since 16.
 */
import * as Effect from "effect/Effect"
import type { ParseResult } from "libpg-query"
import type { ParserModule } from "libpg-query/wasm/libpg-query.js"
import makeParser from "libpg-query/wasm/libpg-query.js"
import type { ScannerModule } from "libpg-query-scanner/wasm/libpg-query.js"
import makeScanner from "libpg-query-scanner/wasm/libpg-query.js"

/** A token of PostgreSQL's lexer; `start` and `end` are UTF-8 byte offsets, as everything from the WASM. */
export interface Token {
  readonly start: number
  readonly end: number
  readonly text: string
  readonly tokenName: string
  readonly keywordName: string
}

/** What parsing a text gave. `character` is the code point, from 0, at which PostgreSQL's parser gave up. */
export type Parsed =
  | { readonly _tag: "Tree"; readonly tree: ParseResult }
  | { readonly _tag: "Refused"; readonly message: string; readonly character: number }
  | { readonly _tag: "TooDeep" }

let parser: ParserModule | undefined
let scanner: ScannerModule | undefined

const loadScanner = Effect.promise(() => makeScanner()).pipe(Effect.map((loaded) => (scanner = loaded)))
const loadParser = Effect.suspend(() => (scanner === undefined ? loadScanner : Effect.void)).pipe(
  Effect.andThen(Effect.promise(() => makeParser())),
  Effect.map((loaded) => {
    unoptimized(() => parseWith(loaded, "SELECT 1"))
    return (parser = loaded)
  })
)

/**
 * Calls WebAssembly for the first time, so that V8 never optimizes what it compiles for that call. For the one large
 * function of PostgreSQL's grammar it would take 600 MB and three seconds of a core, after some twenty statements; what
 * it gives for them, two thirds of the time of a parse, only a file of tens of thousands of statements would notice.
 */
const unoptimized = <A>(call: () => A): A => {
  const v8 = globalThis.process?.versions?.v8 === undefined ? undefined : process.getBuiltinModule?.("node:v8")
  // A function that no module has. V8 reads this when it compiles a function, which is when the function is first called.
  v8?.setFlagsFromString("--wasm-tier-up-filter=999999")
  try {
    return call()
  } finally {
    v8?.setFlagsFromString("--wasm-tier-up-filter=-1")
  }
}

const withText = <A>(module: ParserModule | ScannerModule, text: string, use: (pointer: number) => A): A => {
  const bytes = module.lengthBytesUTF8(text) + 1
  const pointer = module._malloc(bytes)
  module.stringToUTF8(text, pointer, bytes)
  const result = use(pointer)
  module._free(pointer)
  return result
}

// struct PgQueryParseResult { char* tree; char* stderr; PgQueryError* error }
// struct PgQueryError { char* message; char* function; char* file; int line; int cursor; char* context }
const parseWith = (module: ParserModule, text: string): Parsed =>
  withText(module, text, (pointer) => {
    const result = module._wasm_parse_query_raw(pointer)
    const error = module.getValue(result + 8, "i32")
    const parsed: Parsed =
      error === 0
        ? // The JSON is libpg_query's protobuf message, which @pgsql/types is generated from.
          { _tag: "Tree", tree: JSON.parse(module.UTF8ToString(module.getValue(result, "i32"))) as ParseResult }
        : {
            _tag: "Refused",
            message: module.UTF8ToString(module.getValue(error, "i32")),
            character: Math.max(module.getValue(error + 16, "i32") - 1, 0)
          }
    module._wasm_free_parse_result(result)
    return parsed
  })

// Throws only for an overflown stack: a RangeError from V8's, a RuntimeError from the WASM's.
const parseOrDrop = (module: ParserModule, text: string): Effect.Effect<Parsed> =>
  Effect.try({ try: () => parseWith(module, text), catch: () => "overflow" as const }).pipe(
    Effect.catch(() =>
      Effect.sync((): Parsed => {
        parser = undefined
        return { _tag: "TooDeep" }
      })
    )
  )

/** Parses a text of any number of statements. Never fails: what the parser says is in the result. */
export const parse = (text: string): Effect.Effect<Parsed> =>
  Effect.suspend(() =>
    parser === undefined ? Effect.flatMap(loadParser, (module) => parseOrDrop(module, text)) : parseOrDrop(parser, text)
  )

const controls = (text: string): string => {
  let clean = ""
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 32 && code !== 9 && code !== 10 && code !== 13) {
      clean += `${text.slice(from, i)} `
      from = i + 1
    }
  }
  return from === 0 ? text : clean + text.slice(from)
}

/** What the lexer made of a text; its message ends with the token that it gave up in. */
export type Scanned =
  | { readonly _tag: "Tokens"; readonly tokens: ReadonlyArray<Token> }
  | { readonly _tag: "Refused"; readonly message: string }

const scanWith = (module: ScannerModule, text: string): Scanned => {
  // The scanner writes control characters into its JSON unescaped; a space in their place moves no token.
  const json = withText(module, controls(text), (pointer) => {
    const result = module._wasm_scan(pointer)
    const json = module.UTF8ToString(result)
    module._wasm_free_string(result)
    return json
  })
  if (!json.startsWith("{")) return { _tag: "Refused", message: json }
  const { tokens } = JSON.parse(json) as { readonly tokens: ReadonlyArray<Token> }
  return { _tag: "Tokens", tokens }
}

const scanOrDrop = <A>(module: ScannerModule, use: (module: ScannerModule) => A, overflown: A): Effect.Effect<A> =>
  Effect.try({ try: () => use(module), catch: () => "overflow" as const }).pipe(
    Effect.catch(() =>
      Effect.sync(() => {
        scanner = undefined
        return overflown
      })
    )
  )

const withScanner = <A>(use: (module: ScannerModule) => A, overflown: A): Effect.Effect<A> =>
  Effect.suspend(() =>
    scanner === undefined
      ? Effect.flatMap(loadScanner, (module) => scanOrDrop(module, use, overflown))
      : scanOrDrop(scanner, use, overflown)
  )

/** Splits a text into tokens, comments included, or says why the lexer does not. */
export const scanned = (text: string): Effect.Effect<Scanned> =>
  withScanner((module) => scanWith(module, text), { _tag: "Refused", message: "" })

const tokensIn = (scanned: Scanned) => (scanned._tag === "Tokens" ? scanned.tokens : undefined)

/** Splits a text into tokens, comments included; `undefined` for a text that the lexer refuses. */
export const scan = (text: string): Effect.Effect<ReadonlyArray<Token> | undefined> =>
  Effect.map(scanned(text), tokensIn)

/** What PL/pgSQL's own parser made of a function, a procedure or a DO block: a tree of plain JSON, or its error. */
export type Procedural =
  | { readonly _tag: "Tree"; readonly tree: unknown }
  | { readonly _tag: "Refused"; readonly message: string }

/** Parses the PL/pgSQL in a statement that creates a function or is a DO block. */
export const parsePlPgSql = (statement: string): Effect.Effect<Procedural> =>
  withScanner(
    (module): Procedural =>
      withText(module, statement, (pointer) => {
        const result = unoptimized(() => module._wasm_parse_plpgsql(pointer))
        const json = module.UTF8ToString(result)
        module._wasm_free_string(result)
        return json.startsWith("{") ? { _tag: "Tree", tree: JSON.parse(json) } : { _tag: "Refused", message: json }
      }),
    { _tag: "Refused", message: "it is nested too deeply" }
  )

/** The tokens of a text that was parsed before, without an Effect: the scanner was loaded with the parser. */
export const tokensOf = (text: string): ReadonlyArray<Token> | undefined => {
  const loaded = scanner
  return loaded === undefined ? undefined : tokensIn(scanWith(loaded, text))
}
