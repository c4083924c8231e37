import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// The server serves files by Vite's manifest and nothing else, under a CSP without inline scripts.
export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: "../src/backbeat/web/static",
    emptyOutDir: true,
    manifest: "manifest.json",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { include: ["src/**/*.test.ts"] },
  server: { proxy: { "/api": "http://127.0.0.1:9898", "/-": "http://127.0.0.1:9898" } },
});
