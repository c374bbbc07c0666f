import { expect } from "vitest";

import type { Balance, StateStore } from "../../engine/ports.ts";
import type { ReserveReply } from "../../engine/reservation/reservation.ts";
import { decisionOf, idOf, requestOf } from "./requests.ts";

/** One promise of the port, on an empty store. */
export type Case = readonly [name: string, check: (store: StateStore) => Promise<void>];

export type Reserved = Extract<ReserveReply, { kind: "reserved" }>;

export async function reserved(
  store: StateStore,
  ...parameters: Parameters<typeof requestOf>
): Promise<Reserved> {
  const reply = await store.reserve(requestOf(...parameters));
  expect(reply.kind).toBe("reserved");
  return reply as Reserved;
}

/** Reserves and concludes as an allow. */
export async function admitted(
  store: StateStore,
  ...parameters: Parameters<typeof requestOf>
): Promise<Reserved> {
  const reply = await reserved(store, ...parameters);
  const [number, change] = parameters;
  const id = change?.decisionId ?? idOf(number, change?.tenant);
  await store.conclude(id, decisionOf(number, { id }));
  return reply;
}

export async function balanceOf(
  store: StateStore,
  instance: string,
): Promise<Pick<Balance, "held" | "settled"> | null> {
  const found = (await store.balances()).find((balance) => balance.instance === instance);
  return found === undefined ? null : { held: found.held, settled: found.settled };
}
