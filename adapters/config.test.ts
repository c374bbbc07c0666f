import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WeirError } from "../engine/errors.ts";
import { type Config, isLoopback, loadConfig } from "./config.ts";

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "weir-config-"));
});
afterEach(() => rmSync(cwd, { recursive: true }));

const load = (
  flags: Record<string, string> = {},
  env: Record<string, string> = {},
  file?: string,
): Promise<Config> => {
  if (file !== undefined) writeFileSync(join(cwd, "weir.yaml"), file);
  return loadConfig({ flags, env, cwd });
};

const refusal = async (loading: Promise<Config>): Promise<string> => {
  const thrown: unknown = await loading.catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(WeirError);
  expect((thrown as WeirError).code).toBe("config.invalid");
  return (thrown as WeirError).message;
};

describe("precedence", () => {
  it("has a default for every setting, frozen", async () => {
    const config = await load();
    expect(config).toMatchObject({
      file: null,
      grpcListen: { host: "127.0.0.1", port: 7350 },
      httpListen: { host: "127.0.0.1", port: 7351 },
      data: join(cwd, "weir-data"),
      mode: "enforce",
      logSync: "interval",
      drainTimeoutMs: 10_000,
    });
    expect(config.bundle).toMatch(/bundles\/starter$/);
    expect(Object.isFrozen(config)).toBe(true);
  });

  it("lets the file override defaults, variables the file, flags variables", async () => {
    const file = "in_flight_max: 1\ndrain_timeout: 2s\nmode: shadow\n";
    const env = { WEIR_IN_FLIGHT_MAX: "2", WEIR_DRAIN_TIMEOUT: "3s" };
    const config = await load({ "in-flight-max": "3" }, env, file);
    expect(config).toMatchObject({
      file: "weir.yaml",
      inFlightMax: 3,
      drainTimeoutMs: 3_000,
      mode: "shadow",
    });
  });

  it("takes the file of --config before that of WEIR_CONFIG", async () => {
    writeFileSync(join(cwd, "one.yaml"), "in_flight_max: 1");
    writeFileSync(join(cwd, "two.yaml"), "in_flight_max: 2");
    expect((await load({}, { WEIR_CONFIG: "two.yaml" })).inFlightMax).toBe(2);
    expect((await load({ config: "one.yaml" }, { WEIR_CONFIG: "two.yaml" })).inFlightMax).toBe(1);
  });

  it("starts relative paths of a file at the file, all others at the working folder", async () => {
    const folder = mkdtempSync(join(cwd, "etc-"));
    writeFileSync(join(folder, "weir.yaml"), "data: state");
    expect((await load({ config: join(folder, "weir.yaml") })).data).toBe(join(folder, "state"));
    expect((await load({ data: "state" })).data).toBe(join(cwd, "state"));
  });

  it("takes an empty file and one of comments as nothing", async () => {
    expect((await load({}, {}, "")).mode).toBe("enforce");
    expect((await load({}, {}, "# mode: shadow\n")).mode).toBe("enforce");
  });
});

describe("unknown names", () => {
  it("names the nearest flag, variable and key", async () => {
    expect(await refusal(load({ "grcp-listen": "x" }))).toBe(
      "unknown flag --grcp-listen; the nearest valid one is --grpc-listen",
    );
    expect(await refusal(load({}, { WEIR_MOD: "shadow" }))).toBe(
      "unknown variable WEIR_MOD; the nearest valid one is WEIR_MODE",
    );
    expect(await refusal(load({}, {}, "mode: shadow\nhtp_listen: x\n"))).toBe(
      "unknown key htp_listen (weir.yaml:2); the nearest valid one is http_listen",
    );
  });

  it("leaves alone what Kubernetes sets for services named weir", async () => {
    const env = {
      WEIR_SERVICE_HOST: "10.0.0.1",
      WEIR_SERVICE_PORT_GRPC: "7350",
      WEIR_PORT: "tcp://10.0.0.1:7350",
      WEIR_PORT_7350_TCP_ADDR: "10.0.0.1",
      WEIR_REDIS_SERVICE_HOST: "10.0.0.2",
      WEIR_KEY: "k",
      OTHER: "x",
    };
    expect((await load({}, env)).mode).toBe("enforce");
  });
});

describe("wrong values", () => {
  it.each([
    ["grpc-listen", "7350", "host:port"],
    ["grpc-listen", ":7350", "host:port"],
    ["grpc-listen", "::1:7350", "host:port"],
    ["grpc-listen", "127.0.0.1:65536", "host:port"],
    ["grpc-listen", "127.0.0.999:1", "host:port"],
    ["mode", "Shadow", "one of enforce, shadow"],
    ["in-flight-max", "0", "a whole number from 1 to 100000"],
    ["in-flight-max", "1e3", "a whole number from 1 to 100000"],
    ["in-flight-max", "-5", "a whole number from 1 to 100000"],
    ["drain-timeout", "10", "a duration"],
    ["drain-timeout", "1.0001s", "a duration"],
    ["drain-timeout", "11m", "a duration from 0ms to 10m"],
    ["data", "", "a path"],
  ])("refuses --%s %j", async (flag, text, accepted) => {
    const message = await refusal(load({ [flag]: text }));
    expect(message).toContain(flag.replaceAll("-", "_"));
    expect(message).toContain(`(flag --${flag})`);
    expect(message).toContain(`accepted is ${accepted}`);
  });

  it("names the variable, or the line of the file", async () => {
    expect(await refusal(load({}, { WEIR_MODE: "off" }))).toContain("(variable WEIR_MODE)");
    expect(await refusal(load({}, {}, "data: x\n\nmode: off\n"))).toContain('"off" (weir.yaml:3)');
  });

  it("accepts IPv6 in brackets, port 0 and fractions of a unit", async () => {
    const config = await load({ "grpc-listen": "[::1]:0", "sweep-interval": "1.5s" });
    expect(config).toMatchObject({ grpcListen: { host: "::1", port: 0 }, sweepIntervalMs: 1_500 });
  });
});

describe("the file", () => {
  it.each([
    ["mode: [shadow]", "weir.yaml:1: mode has no plain value"],
    ["mode:", "weir.yaml:1: mode has no plain value"],
    ["- mode", 'weir.yaml:1: not a list of "name: value" lines'],
    ["mode: a\nmode: b", "weir.yaml:2: map keys must be unique"],
    ['mode: "a', "weir.yaml:1:"],
    ["__proto__: x", "unknown key __proto__ (weir.yaml:1)"],
  ])("refuses %j", async (text, message) => {
    expect(await refusal(load({}, {}, text))).toContain(message);
  });

  it("must be there if it was asked for", async () => {
    expect(await refusal(load({ config: "nope.yaml" }))).toBe(
      "configuration file nope.yaml: there is no such file",
    );
  });
});

describe("isLoopback", () => {
  it.each(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost"])("%s is", (host) => {
    expect(isLoopback(host)).toBe(true);
  });
  it.each(["0.0.0.0", "::", "10.0.0.1", "localhost.example.com", "", "::ffff:10.0.0.1"])(
    "%s is not",
    (host) => {
      expect(isLoopback(host)).toBe(false);
    },
  );
});
