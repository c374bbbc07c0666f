import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { LIMITS } from "../../engine/limits.ts";
import {
  accepted,
  encodeDecide,
  encodeReport,
  intentWith,
  type Live,
  type Method,
  openLive,
  refused,
  wireIntent,
} from "./live.ts";
import { double, float, groups, sized, varint, whole } from "./wire.ts";

// Goal: bytes that are no such message are refused in words, and change nothing. Method: as in
// bad-input.test.ts, with protobuf written by hand.

let live: Live;
let count = 0;
const fresh = (): string => `i${(count += 1)}`;

beforeAll(async () => {
  live = await openLive();
});

afterAll(async () => {
  expect(live.faults).toEqual([]);
  expect(await live.close()).toMatchObject({ differences: [], imbalances: [], owed: 0 });
});

const notWhole = (value: number | bigint, max: number): string =>
  `${value} is not a whole number from 0 to ${max}`;

describe("the bytes are not what the contract says", () => {
  const mistyped = (where: string, got: number, expected: number): string =>
    `${where} has wire type ${got}, expected ${expected}`;
  const CASES: readonly (readonly [string, Method, () => Uint8Array, string])[] = [
    [
      "a double as a count: 1.5",
      "Decide",
      () => intentWith(fresh(), sized(6, double(1, 1.5))),
      mistyped("Tokens: field 1", 1, 0),
    ],
    [
      "a double as a count: NaN",
      "Decide",
      () => intentWith(fresh(), sized(6, double(3, Number.NaN))),
      mistyped("Tokens: field 3", 1, 0),
    ],
    [
      "a double as a count: infinity",
      "Decide",
      () => intentWith(fresh(), double(14, Infinity)),
      mistyped("Intent: field 14", 1, 0),
    ],
    [
      "a float as a count",
      "Decide",
      () => intentWith(fresh(), sized(8, float(2, 0.5))),
      mistyped("Run: field 2", 5, 0),
    ],
    [
      "digits as a count",
      "Decide",
      () => intentWith(fresh(), sized(6, sized(1, "12"))),
      mistyped("Tokens: field 1", 2, 0),
    ],
    [
      "a word as an enum",
      "Decide",
      () => intentWith(fresh(), sized(3, "chat")),
      mistyped("Intent: field 3", 2, 0),
    ],
    [
      "a number as a string",
      "Decide",
      () => intentWith(fresh(), whole(1, 7)),
      mistyped("Intent: field 1", 0, 2),
    ],
    [
      "a number as a message",
      "Decide",
      () => intentWith(fresh(), whole(2, 7)),
      mistyped("Intent: field 2", 0, 2),
    ],
    [
      "a number as a label",
      "Decide",
      () => intentWith(fresh(), sized(13, whole(2, 7))),
      mistyped("Intent: field 13", 0, 2),
    ],
    [
      "a double as usage",
      "Report",
      () => sized(1, sized(4, double(5, 0.1))),
      mistyped("Usage: field 5", 1, 0),
    ],
    [
      "a string as a flag",
      "Report",
      () => sized(1, sized(3, "true")),
      mistyped("UsageReport: field 3", 2, 0),
    ],
    [
      "a number as a decision id",
      "Cancel",
      () => whole(1, 7),
      mistyped("CancelRequest: field 1", 0, 2),
    ],
    [
      "invalid UTF-8",
      "Decide",
      () => intentWith(fresh(), sized(1, Buffer.from([0xff, 0xfe]))),
      "a string is not valid UTF-8",
    ],
    [
      "a lone surrogate",
      "Decide",
      () => intentWith(fresh(), sized(11, Buffer.from([0xed, 0xa0, 0x80]))),
      "a string is not valid UTF-8",
    ],
    [
      "an overlong NUL",
      "Decide",
      () => intentWith(fresh(), sized(11, Buffer.from([0xc0, 0x80]))),
      "a string is not valid UTF-8",
    ],
    [
      "invalid UTF-8 in a label",
      "Decide",
      () => intentWith(fresh(), sized(13, sized(1, Buffer.from([0x80])))),
      "a string is not valid UTF-8",
    ],
    [
      "an endless varint",
      "Decide",
      () => intentWith(fresh(), Buffer.concat([varint(14 << 3), Buffer.alloc(11, 0xff)])),
      "invalid varint encoding",
    ],
    [
      "a field number 0",
      "Decide",
      () => intentWith(fresh(), Buffer.from([0, 1])),
      "illegal tag: field number 0",
    ],
    [
      "a wire type that is none",
      "Decide",
      () => intentWith(fresh(), varint((900 << 3) | 7)),
      "invalid wire type 7 at offset",
    ],
    [
      "an end without a start",
      "Decide",
      () => intentWith(fresh(), varint((900 << 3) | 4)),
      "invalid wire type 4 at offset",
    ],
    [
      "groups nested without end",
      "Decide",
      () => intentWith(fresh(), groups(900, 20_000)),
      "max depth exceeded",
    ],
    [
      "a length beyond the message",
      "Decide",
      () => intentWith(fresh(), varint((11 << 3) | 2), varint(10 << 20)),
      "index out of range",
    ],
    [
      "a cut message",
      "Decide",
      () => encodeDecide({ intent: wireIntent("cut") }).subarray(0, 40),
      "index out of range",
    ],
    [
      "a cut varint",
      "Decide",
      () => intentWith(fresh(), varint(14 << 3), Buffer.from([0x80])),
      "index out of range",
    ],
    [
      "another protocol",
      "Decide",
      () => Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      "invalid wire type 7 at offset",
    ],
    [
      "a cut report",
      "Report",
      () => encodeReport({ report: { decisionId: "d" } }).subarray(0, 3),
      "index out of range",
    ],
  ];

  test.each(CASES)("%s", async (_name, method, bytes, why) => {
    const before = await live.standing();
    const got = refused(await live.send(method, bytes()));
    expect(got.message).toContain(`the message is not a valid protobuf: ${why}`);
    const reason = method === "Decide" ? "intent.invalid" : "report.invalid";
    expect(got).toMatchObject({ code: "INVALID_ARGUMENT", reason, violations: [] });
    expect(await live.standing()).toEqual(before);
    await live.proveItServes();
  });

  test("every cut of a lawful message is refused or a lawful shorter one, and the service goes on", async () => {
    const bytes = encodeDecide({ intent: wireIntent("cuts") });
    for (let length = 0; length < bytes.length; length += 1) {
      const got = refused(await live.send("Decide", bytes.subarray(0, length)));
      expect(got, `cut at ${length}`).toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "intent.invalid",
      });
    }
    await live.proveItServes();
  });

  test("fields of a later contract are skipped, the last of a repeated field counts", async () => {
    const later = intentWith(
      fresh(),
      sized(900, "new"),
      whole(901, 1),
      double(902, 1.5),
      float(903, 1.5),
      sized(1, fresh()),
    );
    expect(Buffer.isBuffer(await live.send("Decide", later))).toBe(true);
    const decisionId = accepted(await live.decide(wireIntent(`i${count}`))).id;
    const cancel = Buffer.concat([sized(1, "x"), sized(1, decisionId), whole(9, 1)]);
    expect(Buffer.isBuffer(await live.send("Cancel", cancel))).toBe(true);
  });

  test("on a stream the message is refused by its tag and the stream lives on", async () => {
    const stream = live.client.decideStream();
    const wrong = stream.decide(wireIntent(fresh(), { tokens: { input: -1 } }));
    const right = stream.decide(wireIntent(fresh()));
    await expect(wrong).rejects.toMatchObject({
      code: "intent.invalid",
      message: `intent refused: tokens.input: ${notWhole(-1, LIMITS.tokens)}`,
      violations: [{ description: notWhole(-1, LIMITS.tokens), field: "tokens.input" }],
    });
    const { id } = await right;
    await stream.end();
    accepted(await live.cancel(id));
  });
});
