import DefaultTheme from "vitepress/theme"
import type { Theme } from "vitepress"
import ContentionSimulator from "./ContentionSimulator.vue"
import FleetSimulator from "./FleetSimulator.vue"
import "./style.css"

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => {
    app.component("ContentionSimulator", ContentionSimulator)
    app.component("FleetSimulator", FleetSimulator)
  }
} satisfies Theme
