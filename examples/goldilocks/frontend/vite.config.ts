import { defineConfig } from "vite";

// BACKEND_URL: where the API runs. DEV_HOST: the address to serve the page on while
// developing; 0.0.0.0 in a container, whose ports are published by its host.
const backend = process.env.BACKEND_URL || "http://127.0.0.1:8000";

export default defineConfig({
  server: {
    host: process.env.DEV_HOST || "127.0.0.1",
    port: 5173,
    strictPort: true,
    proxy: {
      "/api": backend,
      "/health": backend,
    },
  },
});
