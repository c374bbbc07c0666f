import { expect, it } from "vitest";
import { sseBytes } from "../../adapters/cli/simulator/wire.ts";
import { UsageEventFilter } from "./hide-usage.ts";

const spoken = [
  { choices: [{ delta: { content: 'Hi "usage" "choices":[]' }, index: 0 }], usage: null },
  { choices: [{ delta: {}, finish_reason: "stop", index: 0 }], usage: null },
];
const told = { choices: [], usage: { completion_tokens: 7, prompt_tokens: 11 } };

function filtered(chunks: readonly Uint8Array[]): string {
  const filter = new UsageEventFilter();
  return Buffer.concat([...chunks.map((chunk) => filter.push(chunk)), filter.end()]).toString();
}

it.each(["\n", "\r\n"])(
  "takes out the event that only tells usage, at every border, with %j",
  (newline) => {
    const form = { done: true, newline };
    const bytes = sseBytes([...spoken, told], form);
    const wanted = Buffer.from(sseBytes(spoken, form)).toString();
    for (let border = 0; border <= bytes.length; border += 1) {
      expect(filtered([bytes.subarray(0, border), bytes.subarray(border)])).toBe(wanted);
    }
    expect(filtered(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toBe(wanted);
  },
);

it("lets everything else through, what is no stream of events too", () => {
  for (const text of [
    "",
    "data: {broken\n\n",
    'data: {"choices":[],"usage":null}\n\n',
    'data: {"choices":[],"error":"usage"}\n\n',
    ": comment\n\ndata",
  ]) {
    expect(filtered([Buffer.from(text)])).toBe(text);
  }
});

it("holds nothing back once an event has ended", () => {
  const filter = new UsageEventFilter();
  const [event] = spoken;
  const bytes = sseBytes([event]);
  expect(filter.push(bytes)).toEqual(bytes);
});
