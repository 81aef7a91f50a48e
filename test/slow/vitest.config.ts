import { defineConfig } from "vitest/config";

/** What takes minutes by nature, side by side: `npm run test:full`. `npm test` does not run it. */
export default defineConfig({
  test: {
    include: ["test/slow/*.slow.ts"],
    testTimeout: 15 * 60_000,
    hookTimeout: 120_000,
    maxWorkers: 4,
    maxConcurrency: 40,
  },
});
