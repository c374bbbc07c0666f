import { randomBytes } from "node:crypto";
import type { Clock, Ids } from "../../engine/ports.ts";

/** The clock of this machine. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  elapsedUs: () => performance.now() * 1_000,
};

/** Ids from the system's source of randomness. */
export const systemIds: Ids = {
  random128: () => randomBytes(16).toString("hex"),
};
