import { afterEach } from "vitest";

import { openTestEngine, type TestEngine, type TestEngineOptions } from "./engine.ts";

const opened: TestEngine[] = [];

/** An engine that is closed after the test. */
export async function open(options: TestEngineOptions = {}): Promise<TestEngine> {
  const engine = await openTestEngine(options);
  opened.push(engine);
  return engine;
}

afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close();
});
