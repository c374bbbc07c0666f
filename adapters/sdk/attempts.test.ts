import { expect, it } from "vitest";
import { Attempts, digestOf } from "./attempts.ts";

it("counts the same call after a failure as its retry, and no other", () => {
  let nowMs = 1_000;
  const attempts = new Attempts(() => nowMs);
  const first = attempts.open("a", 0);
  expect(first).toMatchObject({ number: 1, reason: "" });
  attempts.failed("a", first, "http_500");
  expect(attempts.open("b", 0).intentId).not.toBe(first.intentId);
  const second = attempts.open("a", 1);
  expect(second).toEqual({ intentId: first.intentId, number: 2, reason: "http_500" });
  // It did not fail, so the next one is new.
  expect(attempts.open("a", 0).intentId).not.toBe(first.intentId);
  attempts.failed("a", second, "network");
  nowMs += 120_001;
  expect(attempts.open("a", 0)).toMatchObject({ number: 1 });
});

it("gives each of two failures at the same time one retry", () => {
  const attempts = new Attempts(() => 0);
  const pair = [attempts.open("a", 0), attempts.open("a", 0)];
  for (const one of pair) attempts.failed("a", one, "http_429");
  const retries = [attempts.open("a", 1), attempts.open("a", 1)];
  expect(retries.map(({ intentId }) => intentId).toSorted()).toEqual(
    pair.map(({ intentId }) => intentId).toSorted(),
  );
});

it("believes a library that it tried before, though nothing is known of it", () => {
  expect(new Attempts(() => 0).open("a", 3)).toMatchObject({ number: 4, reason: "retry" });
});

it("digests tell bodies apart", () => {
  const digests = Array.from({ length: 10_000 }, (_, index) =>
    digestOf(Buffer.from(`{"n":${index}}`)),
  );
  expect(new Set(digests).size).toBe(digests.length);
  expect(digests[0]).toMatch(/^[0-9a-f]{16}$/);
});
