import { defineConfig } from "vitest/config";

import { ClosingLine } from "./test/closing-line.ts";

export default defineConfig({
  test: {
    include: ["{engine,adapters,policies,test}/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    reporters: ["default", new ClosingLine()],
  },
});
