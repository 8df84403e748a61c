import { fileURLToPath } from "node:url"
import { defineConfig } from "vite"

/** One page, one script, one style, by names that the server knows. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../dist/page",
    // Whoever serves it meanwhile finds a page.
    emptyOutDir: false,
    target: "es2024",
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: { entryFileNames: "page.js", assetFileNames: "page[extname]", codeSplitting: false }
    }
  }
})
