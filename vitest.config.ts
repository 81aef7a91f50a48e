import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/**
 * Two homes for tests. `worker` runs inside workerd with the real Durable Objects; `node` runs on Node, where real
 * processes (PocketBase, workerd) can be started and killed.
 */
export default defineConfig({
  test: {
    projects: [
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              bindings: {
                ADMIN_TOKEN: "test-admin-token-Zk3v9QpLx7RtYw2Nc5Hd",
                ENCRYPTION_KEY: "q83vEjRWeJq83vASNFZ4mrze8BI0Vnias3bN4BI0Vng=",
                ALLOW_PRIVATE_NETWORK: "instances",
              },
            },
          }),
        ],
        test: {
          name: "worker",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.node.test.ts"],
          // Tests of hours take milliseconds here, on a busy machine seconds.
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "node",
          include: ["test/**/*.node.test.ts"],
          // Only ends what hangs: a busy machine needs several times as long as an idle one.
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Two files beside each other: most of their time they wait for servers that start, cut or sleep.
          maxWorkers: 2,
          // Tests that mostly wait run beside each other: what they wait for costs nothing.
          maxConcurrency: 40,
        },
      },
    ],
  },
});
