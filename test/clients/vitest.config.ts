import { defineConfig } from "vitest/config";
import { ClosingLine } from "../closing-line.ts";
import { ClientTable } from "./client-table.ts";

/** `npm run test:clients`: every client and quick start, and the table of what they showed. */
export default defineConfig({
  test: {
    include: ["test/clients/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    reporters: ["default", new ClientTable(), new ClosingLine()],
  },
});
