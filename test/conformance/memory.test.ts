import { MemoryStateStore } from "../../adapters/memory/state-store.ts";
import { runStateStoreConformance } from "./state-store.ts";

runStateStoreConformance({
  create: () => Promise.resolve(new MemoryStateStore()),
  name: "memory",
});
