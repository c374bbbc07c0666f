import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { PROFILES } from "../../adapters/cli/envoy/configuration.ts";
import { type Authority, type Certificate, makeAuthority } from "../support/certificates.ts";
import { CheckClient } from "../support/check.ts";
import { type EnvoyStand, openEnvoyStand, SEARCH } from "../support/envoy.ts";
import { changedBundle, shippedData } from "../support/fleet.ts";

// Goal: who calls is what the client's certificate says, as Envoy verified it, and only an Envoy with a
// certificate of its own is listened to. Method: real certificates on both ways, the profiles as they ship.

const SEARCH_ID = "spiffe://acme.example/ns/search/sa/api";
const host = "127.0.0.1";

interface Answer {
  readonly status: number;
  readonly id: string;
  readonly text: string;
}

describe.each(PROFILES)("certificates, profile %s", (profile) => {
  let folder: string;
  let stand: EnvoyStand;
  let authority: Authority;
  let search: Certificate;
  let server: Certificate;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "weir-tls-"));
    authority = makeAuthority(folder, "authority");
    server = authority.issue("server", `IP:${host}`);
    search = authority.issue("search", `URI:${SEARCH_ID},DNS:search.acme.example`);
    const envoy = authority.issue("envoy", "DNS:envoy.acme.example");
    const weir = join(folder, "weir");
    mkdirSync(weir);
    copyFileSync(server.certFile, join(weir, "tls.crt"));
    copyFileSync(server.keyFile, join(weir, "tls.key"));
    copyFileSync(authority.certificate.certFile, join(weir, "ca.crt"));
    const { principals } = shippedData();
    const known = { claims: { team: ["search"] }, tenants: ["acme"] };
    const own = { ...principals, [SEARCH_ID]: known };
    const bundle = changedBundle(join(folder, "bundle"), { principals: own });
    stand = await openEnvoyStand({
      configure: (text) => withTls(text, server, envoy, authority),
      flags: { bundle, "envoy-tls": weir },
      profile,
    });
  });

  afterAll(async () => {
    expect(stand.faults).toEqual([]);
    expect(await stand.close()).toMatchObject({ differences: [], imbalances: [] });
    rmSync(folder, { force: true, recursive: true });
  });

  /** One call with a client certificate, or without. */
  function call(
    certificate: Certificate | null,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    stand.clock.advance(60_000);
    const body = JSON.stringify({ max_tokens: 20, messages: [], model: "gpt-5-mini" });
    const options = {
      agent: false,
      ca: authority.certificate.cert,
      ...(certificate === null ? {} : { cert: certificate.cert, key: certificate.key }),
      headers: { "content-type": "application/json", ...SEARCH, ...headers },
      method: "POST",
    } as const;
    const url = `${stand.base.replace("http:", "https:")}/openai/v1/chat/completions`;
    return new Promise((resolve, reject) => {
      const sent = httpsRequest(url, options, (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on("end", () => {
          const id = String(response.headers["x-weir-decision-id"] ?? "");
          resolve({ id, status: response.statusCode ?? 0, text });
        });
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }

  test("the SPIFFE id of a certificate is the principal, over any other name and any key", async () => {
    const other = { authorization: `Bearer ${stand.keyOf("support-service")}` };
    const answer = await call(search, other);
    expect(answer.status).toBe(200);
    const { report } = await stand.settlement(answer.id);
    expect(report).toMatchObject({ basis: "provider", principal: SEARCH_ID });
  });

  test.each([
    ["another trust domain", "URI:spiffe://acme.example.evil/ns/search/sa/api"],
    ["another workload", "URI:spiffe://acme.example/ns/search/sa/api2"],
    ["the id as a DNS name alone", "DNS:search-service"],
  ])("%s is another principal, whatever the headers say", async (_, names) => {
    const stranger = authority.issue(`stranger-${names.length}`, names);
    const answer = await call(stranger, {
      "x-forwarded-client-cert": `By=x;URI=${SEARCH_ID}`,
      "x-weir-principal": SEARCH_ID,
    });
    expect(answer.status).toBe(403);
    expect(answer.text).toMatch(/principal (spiffe|cert):.* may not act/);
  });

  test("without a certificate, or with one of another authority, there is no connection", async () => {
    await expect(call(null)).rejects.toThrow();
    const foreign = makeAuthority(folder, "foreign").issue("search", `URI:${SEARCH_ID}`);
    await expect(call(foreign)).rejects.toThrow();
  });

  test("nobody but an Envoy with a certificate asks Weir", async () => {
    const intruder = new CheckClient(stand.service().envoy?.port ?? 0);
    await expect(intruder.check({ principal: SEARCH_ID })).rejects.toThrow(/UNAVAILABLE/);
    intruder.close();
  });
});

/** Certificates on both ways: from clients, and to Weir. */
function withTls(
  configuration: string,
  server: Certificate,
  envoy: Certificate,
  { certificate: authority }: Authority,
): string {
  const bootstrap = JSON.parse(configuration);
  const type = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
  const contextOf = ({ certFile, keyFile }: Certificate) => ({
    tls_certificates: [
      { certificate_chain: { filename: certFile }, private_key: { filename: keyFile } },
    ],
    validation_context: { trusted_ca: { filename: authority.certFile } },
  });
  const name = "envoy.transport_sockets.tls";
  for (const { filter_chains: chains } of bootstrap.static_resources.listeners) {
    const context = {
      "@type": `${type}.DownstreamTlsContext`,
      common_tls_context: contextOf(server),
      require_client_certificate: true,
    };
    chains[0].transport_socket = { name, typed_config: context };
  }
  for (const cluster of bootstrap.static_resources.clusters) {
    if (cluster.name !== "weir") continue;
    const common = { ...contextOf(envoy), alpn_protocols: ["h2"] };
    const context = { "@type": `${type}.UpstreamTlsContext`, common_tls_context: common };
    cluster.transport_socket = { name, typed_config: context };
  }
  return JSON.stringify(bootstrap);
}
