import { readFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";

import { PROFILES } from "../../adapters/cli/envoy/configuration.ts";
import { type EnvoyStand, openEnvoyStand, patient } from "../support/envoy.ts";

// Goal: T13, a route is open while Weir does not answer only where that is said, and what passes so shows.
// Method: the fragments that ship, put into the profiles that ship.

const FILE = join(import.meta.dirname, "../../adapters/envoy/profiles/fail-open.yaml");
const CHAT = {
  max_tokens: 20,
  messages: [{ role: "user", content: "hello" }],
  model: "gpt-5-mini",
};

interface Named {
  readonly name: string;
}

/** The profile with the fragments where they say that they belong. */
function leftOpen(configuration: string, profile: string): string {
  const fragments = parse(readFileSync(FILE, "utf8"))[profile];
  const bootstrap = JSON.parse(configuration);
  const manager = bootstrap.static_resources.listeners[0].filter_chains[0].filters[0].typed_config;
  manager.access_log = [...(manager.access_log ?? []), ...fragments.access_log];
  const [host] = manager.route_config.virtual_hosts;
  host.routes = host.routes.map((route: Named) =>
    route.name === fragments.route.name ? fragments.route : route,
  );
  if (fragments.http_filter !== undefined) {
    manager.http_filters.splice(1, 0, fragments.http_filter);
  }
  return patient(JSON.stringify(bootstrap));
}

describe.each(PROFILES)("T13 a route left open, profile %s", (profile) => {
  let stand: EnvoyStand;

  beforeAll(async () => {
    stand = await openEnvoyStand({ configure: (text) => leftOpen(text, profile), profile });
  });

  afterAll(async () => {
    expect(stand.faults).toEqual([]);
    expect(await stand.close()).toMatchObject({ differences: [], imbalances: [] });
  });

  const openCall = (body: object = CHAT) => stand.post("/openai/v1/chat/completions", body);

  test("while Weir answers, everything is decided, once, and settled", async () => {
    const allowed = await openCall();
    await allowed.text();
    expect(allowed.headers.get("x-weir-effect")).toBe("allow");
    const { report } = await stand.settlement(allowed.headers.get("x-weir-decision-id") ?? "");
    expect(report.basis).toBe("provider");
    expect(stand.lines().filter(({ kind }) => kind === "decision")).toHaveLength(1);
    const blocked = await openCall({ ...CHAT, model: "gpt-9" });
    expect(blocked.status).toBe(403);
  });

  test("while it does not, only that route is open, and what passes is marked and logged", async () => {
    await stand.service().stop();
    stand.simulator.reset();
    const passed = await openCall();
    expect(passed.status).toBe(200);
    expect(passed.headers.get("x-weir-effect")).toBe("undecided");
    await passed.text();
    const [seen] = stand.simulator.seen;
    expect(seen?.path).toBe("/v1/chat/completions");
    expect(JSON.stringify(seen?.headers)).not.toMatch(/weir/);
    const closed = await stand.post("/mistral/v1/chat/completions", CHAT);
    expect(closed.status).toBe(503);
    expect(stand.simulator.seen).toHaveLength(1);
    await expect
      .poll(() => stand.envoy.output(), { timeout: 30_000 })
      .toMatch(/"event":"undecided"/);
    expect(stand.envoy.output().match(/"event":"undecided"/g)).toHaveLength(1);
  });
});
