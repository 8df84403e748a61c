/**
 * Where the page begins.
 */
import { render } from "preact"
import { App } from "./App.tsx"
import "./style.css"

const root = document.getElementById("console")
if (root !== null) render(<App />, root)
