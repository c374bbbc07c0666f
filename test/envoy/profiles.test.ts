import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";

import { provideEnvoy, PROVIDER_KEYS } from "../support/envoy.ts";

// Goal: what ships for Envoy is what an Envoy takes, and closed. Method: the files as they are; of other
// control planes' resources, the parts of them that are Envoy's own.

const FOLDER = join(import.meta.dirname, "../../adapters/envoy/profiles");
const read = (name: string): string => readFileSync(join(FOLDER, name), "utf8");
const PROFILES = ["default.yaml", "ext-proc.yaml"] as const;

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { force: true, recursive: true });
});

/** Lets Envoy check a configuration, the paths of the container replaced by those of the sources. */
function validate(configuration: string): string {
  const folder = mkdtempSync(join(tmpdir(), "weir-validate-"));
  folders.push(folder);
  const file = join(folder, "envoy.yaml");
  const key = join(folder, "openai-key.yaml");
  writeFileSync(
    file,
    configuration
      .replaceAll("/etc/envoy/weir.lua", join(FOLDER, "weir.lua"))
      .replaceAll("/etc/envoy/openai-key.yaml", key),
  );
  writeFileSync(key, "resources: []\n");
  const flags = ["--mode", "validate", "-c", file, "-l", "error", "--use-dynamic-base-id"];
  return execFileSync(provideEnvoy(), flags, {
    encoding: "utf8",
    env: { ...process.env, ...PROVIDER_KEYS },
    stdio: "pipe",
  });
}

interface Patch {
  readonly applyTo: string;
  readonly patch: { readonly value: Readonly<Record<string, unknown>> };
}

function managerOf(bootstrap: { static_resources: { listeners: unknown[] } }) {
  const [listener] = bootstrap.static_resources.listeners as [
    {
      filter_chains: [
        { filters: [{ typed_config: { http_filters: object[]; [key: string]: unknown } }] },
      ];
    },
  ];
  return listener.filter_chains[0].filters[0].typed_config;
}

describe.each(PROFILES)("%s", (name) => {
  test("is valid as it ships", () => {
    expect(validate(read(name))).toMatch(/OK/);
  });

  test("T13 fails closed, and leads to a provider only what Weir has decided", () => {
    const manager = managerOf(parse(read(name), { maxAliasCount: 1_000 }));
    const [filter] = manager.http_filters as [
      { typed_config: { failure_mode_allow: boolean }; disabled?: boolean },
    ];
    expect(filter.typed_config.failure_mode_allow).toBe(false);
    expect(JSON.stringify(manager)).not.toMatch(/"disabled":true|"failure_mode_allow":true/);
    const { virtual_hosts: hosts } = manager["route_config"] as {
      virtual_hosts: [{ routes: { match: { headers?: { name: string }[] }; route?: object }[] }];
    };
    const leading = hosts[0].routes.filter(({ route }) => route !== undefined);
    expect(leading.length).toBeGreaterThan(0);
    for (const { match } of leading) {
      expect(match.headers?.map((header) => header.name)).toEqual(["x-weir-route"]);
    }
  });
});

describe("other control planes", () => {
  const resourcesOf = (name: string) =>
    parseAllDocuments(read(name)).map((document) => document.toJS());

  test.each(["envoy-gateway.yaml", "envoy-gateway-ext-proc.yaml", "istio.yaml", "ai-gateway.yaml"])(
    "%s holds whole resources, which fail closed",
    (name) => {
      const resources = resourcesOf(name);
      for (const resource of resources) {
        expect(resource).toMatchObject({
          apiVersion: expect.stringMatching(/^[a-z0-9.]+\/v\w+$/) as string,
          kind: expect.any(String) as string,
          metadata: { name: expect.any(String) as string },
          spec: expect.any(Object) as object,
        });
      }
      expect(JSON.stringify(resources)).not.toMatch(/"failOpen":true/);
    },
  );

  test("Istio: Envoy takes the patches", () => {
    const bootstrap = parse(read("default.yaml"), { maxAliasCount: 1_000 });
    const manager = managerOf(bootstrap);
    const filter = resourcesOf("istio.yaml").find(({ kind }) => kind === "EnvoyFilter");
    const { configPatches } = filter.spec as { readonly configPatches: readonly Patch[] };
    expect(configPatches.map(({ applyTo }) => applyTo)).toEqual([
      "HTTP_FILTER",
      "NETWORK_FILTER",
      "CLUSTER",
    ]);
    const [lua, early, credential] = configPatches.map(({ patch }) => patch.value);
    manager.http_filters = manager.http_filters.map((one) =>
      JSON.stringify(one).includes("filters.http.lua") ? (lua ?? one) : one,
    );
    Object.assign(manager, early?.["typed_config"]);
    for (const cluster of bootstrap.static_resources.clusters) {
      if (cluster.name === "openai") Object.assign(cluster, credential);
    }
    expect(validate(JSON.stringify(bootstrap))).toMatch(/OK/);
  });

  test("Envoy Gateway: the bootstrap that is merged is the flag of the profile", () => {
    const [, proxy] = resourcesOf("envoy-gateway-ext-proc.yaml");
    const { layered_runtime: layers } = parse(read("ext-proc.yaml"), { maxAliasCount: 1_000 });
    expect(parse(proxy.spec.bootstrap.value)).toEqual({ layered_runtime: layers });
  });
});
