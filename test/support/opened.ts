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

/** Has an engine that a test opened by itself closed after it. */
export function closeAfter(engine: TestEngine): void {
  opened.push(engine);
}

/** Closes one before its test is over. */
export async function closeEarly(engine: TestEngine): Promise<void> {
  opened.splice(opened.indexOf(engine), 1);
  await engine.close();
}
