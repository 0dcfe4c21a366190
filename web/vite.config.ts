import { defineConfig } from "vitest/config";

/** The development server passes requests on to a running `geoglot serve`. */
const service = "http://127.0.0.1:8321";

export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/geoglot/serve/page",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
    reportCompressedSize: false,
    license: { fileName: "licences.md" },
  },
  server: { host: "127.0.0.1", proxy: { "/v1": service, "/stac": service } },
  test: { include: ["tests/**/*.test.ts"] },
});
