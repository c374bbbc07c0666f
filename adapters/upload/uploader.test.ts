import { randomBytes } from "node:crypto";
import { gunzipSync } from "node:zlib";

import { expect, test } from "vitest";

import type { DecisionRecord, LogLine } from "../../engine/record/record.ts";
import type { Posted } from "./post.ts";
import { type LogReader, LogUploader, type UploadProgress } from "./uploader.ts";

// Goal: every decision of a log reaches the server, in order, at least once, or is counted as dropped.
// Method: a log in memory, a server that is told what to answer; time passes by pauses that are noted.

const LABELS = { app: "weir", id: "node-1", version: "1" } as const;

function decision(id: string, input: unknown = { model: "m" }): LogLine {
  const record = {
    at_ms: 0,
    bundle: { digest: "d", revision: "r1" },
    decision: { effect: "allow", model: "m", reasons: [], would_be: null },
    evaluations: [{ input, model: "m", verdict: { effect: "allow" } }],
    id,
    kind: "decision",
    mode: "enforce",
    tenant: "acme",
    timings_us: { evaluate: 40, state: 1, total: 90 },
  };
  return record as unknown as DecisionRecord;
}

interface Run {
  /** Ids of each chunk that was taken. */
  readonly taken: string[][];
  readonly pauses: number[];
  readonly kept: number[];
  readonly progress: () => UploadProgress | undefined;
}

/** Uploads these lines from a position on until all are dealt with. */
async function upload(
  lines: readonly LogLine[],
  answer: (ids: readonly string[], asked: number) => Posted,
  { from = 0, limitBytes = 65_536, readFailures = 0 } = {},
): Promise<Run> {
  const aborter = new AbortController();
  const taken: string[][] = [];
  const pauses: number[] = [];
  const kept: number[] = [];
  let [asked, failures] = [0, readFailures];
  let latest: UploadProgress | undefined;
  const uploader = new LogUploader({
    keep: (number) => void kept.push(number),
    labels: LABELS,
    limitBytes,
    pause: async (ms) => void pauses.push(ms),
    post: async (body) => {
      expect(body.length).toBeLessThanOrEqual(limitBytes);
      const events = JSON.parse(gunzipSync(body).toString()) as { decision_id: string }[];
      const ids = events.map((event) => event.decision_id);
      const posted = answer(ids, (asked += 1));
      if (posted.kind === "taken") taken.push(ids);
      return posted;
    },
    from,
    open: (position) => readerOf(lines, position, () => (failures -= 1) >= 0),
    tell: (progress) => {
      latest = progress;
      if (progress.caughtUp) aborter.abort();
    },
  });
  await uploader.run(aborter.signal);
  return { kept, pauses, progress: () => latest, taken };
}

function readerOf(lines: readonly LogLine[], from: number, fails: () => boolean): LogReader {
  let position = from;
  return {
    get position() {
      return position;
    },
    next: (max) => {
      const next = lines.slice(position, position + max);
      const first = position + 1;
      position += next.length;
      // It has moved on, and gives nothing.
      if (fails()) throw new Error("gone");
      return next.map((line, index) => ({ line, number: first + index }));
    },
  };
}

const ids = (count: number) => Array.from({ length: count }, (_, index) => `d${index + 1}`);
const TAKEN: Posted = { kind: "taken" };

test("decisions go out in order, other lines do not, and a restart goes on behind what was taken", async () => {
  const entry = { at_ms: 0, digest: "d", kind: "bundle", revision: "r", v: 1 } as LogLine;
  const lines = [entry, ...ids(300).map((id) => decision(id)), entry];
  const { kept, progress, taken } = await upload(lines, () => TAKEN);
  expect(taken.flat()).toEqual(ids(300));
  expect(kept.at(-1)).toBe(302);
  expect(progress()).toEqual({ caughtUp: true, dropped: 0, problem: "", sent: 300 });
  const rest = await upload(lines, () => TAKEN, { from: kept[0] ?? 0 });
  expect(rest.taken.flat()).toEqual(ids(300).slice(taken[0]?.length));
});

test("a server that is away gets the same again, after waits that double, and nothing is lost", async () => {
  const lines = ids(3).map((id) => decision(id));
  const answer = (_ids: readonly string[], asked: number): Posted =>
    asked <= 12 ? { kind: "failed", why: "away" } : TAKEN;
  const { pauses, progress, taken } = await upload(lines, answer);
  expect(taken).toEqual([ids(3)]);
  expect(pauses.slice(0, 12)).toEqual([
    100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000,
  ]);
  expect(progress()).toMatchObject({ dropped: 0, sent: 3 });
});

test("a log that cannot be read for a moment is read again from where it was", async () => {
  const lines = ids(3).map((id) => decision(id));
  const { kept, pauses, taken } = await upload(lines, () => TAKEN, { readFailures: 2 });
  expect(taken).toEqual([ids(3)]);
  expect([pauses.slice(0, 2), kept.at(-1)]).toEqual([[100, 200], 3]);
});

test("chunks stay below the limit; what is alone above it is dropped and counted", async () => {
  const large = (id: string, bytes: number) => decision(id, randomBytes(bytes).toString("base64"));
  const lines = [large("a", 900), large("b", 900), large("c", 9_000), large("d", 900)];
  const { kept, progress, taken } = await upload(lines, () => TAKEN, { limitBytes: 2_000 });
  expect(taken).toEqual([["a"], ["b"], ["d"]]);
  expect(kept.at(-1)).toBe(4);
  expect(progress()).toMatchObject({ dropped: 1, sent: 3 });
});

test("one decision that the server refuses costs no other", async () => {
  const lines = ids(40).map((id) => decision(id));
  const answer = (given: readonly string[]): Posted =>
    given.includes("d17") ? { kind: "refused", why: "answers 400" } : TAKEN;
  const { progress, taken } = await upload(lines, answer);
  expect(taken.flat()).toEqual(ids(40).filter((id) => id !== "d17"));
  expect(progress()).toMatchObject({ dropped: 1, sent: 39 });
});
