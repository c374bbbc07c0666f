import { expect, test } from "vitest";

import { WeirError } from "../errors.ts";
import type { EntryRecord, LogLine } from "./record.ts";
import { RetainingLog } from "./retaining-log.ts";

const ENTRY = { entry: "settled", id: "d:report:1", kind: "entry" } as unknown as EntryRecord;
const REJECTED = { code: "auth.denied", kind: "rejected" } as unknown as LogLine;

test("an entry that could not be written is written later, once", async () => {
  const written: LogLine[] = [];
  let full = true;
  const log = new RetainingLog({
    append: (line) => {
      if (full) return Promise.reject(new WeirError("log.unavailable", "disk full"));
      written.push(line);
      return Promise.resolve();
    },
  });

  await expect(log.append(ENTRY)).rejects.toThrow("disk full");
  await expect(log.append(REJECTED)).rejects.toThrow("disk full");
  await log.retry();
  expect(written).toEqual([]);

  full = false;
  await log.retry();
  await log.retry();
  expect(written).toEqual([ENTRY]);
});
