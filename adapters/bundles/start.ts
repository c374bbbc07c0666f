import { setTimeout as sleep } from "node:timers/promises";

import { WeirError } from "../../engine/errors.ts";
import type { Activation } from "../../engine/operator/bundles.ts";
import { type Bundle, bundleDigest, openBundle } from "../../engine/policy/bundle.ts";
import { ActiveBundles, type OpenedBundle } from "./active-bundles.ts";
import { type BundleArchive, bundleFiles, unpack } from "./archive.ts";
import { fetchBundle } from "./fetch.ts";
import { type VerificationKeys, readVerificationKeys } from "./keys.ts";
import { BundleShelf } from "./shelf.ts";
import { verifyArchive } from "./signature.ts";
import { type ActivationState, quarantineFile, readQuarantine, readState } from "./state-file.ts";
import { tryBundle } from "./trial.ts";
import { isUrl, readTrusted } from "./trusted.ts";

export interface StartOptions {
  /** Where bundles are kept. */
  readonly folder: string;
  /** The setting `bundle`: a path or a URL. */
  readonly configured: string;
  /** The setting `bundle_keys`. */
  readonly keys: string | null;
  /** Bearer token for a URL; "": none. */
  readonly token: string;
  readonly nowMs: number;
  /** Who starts the service. */
  readonly starter: string;
  /** Whether the bundle at the path came with this Weir and was tried then. */
  readonly shipped: boolean;
  readonly onNote: (note: WeirError) => void;
}

export const SOURCE_ACTOR = "weir";
const ATTEMPTS = 3;
const PAUSE_MS = 1_000;

/**
 * The bundle that decides from the start on. A path is read, unless an operator chose another bundle
 * since it was last read. From a URL the bundle that decided last goes on, so that it may be away; the
 * first one is fetched. One that is refused or in quarantine leaves the last good one in place, which
 * `onNote` is told; without one the start fails.
 */
export async function openActiveBundles(options: StartOptions): Promise<ActiveBundles> {
  const starting = new Starting(options);
  return isUrl(options.configured) ? starting.fromUrl() : starting.fromPath();
}

interface Kept extends OpenedBundle {
  readonly activation: Activation;
}

class Starting {
  readonly #options: StartOptions;
  readonly #state: ActivationState | null;
  readonly #keys: VerificationKeys | null;

  constructor(options: StartOptions) {
    const state = readState(options.folder);
    this.#options = options;
    this.#state = state;
    this.#keys = options.keys === null ? null : readVerificationKeys(options.keys);
  }

  async fromUrl(): Promise<ActiveBundles> {
    const kept = await this.#lastGood();
    if (kept !== null) return this.#goOn(kept, "");
    const { bytes, etag } = await this.#fetch();
    const files = await unpack(bytes);
    if (this.#keys !== null) await verifyArchive(files, this.#keys);
    return this.#begin(await this.#tried(files), files, etag);
  }

  async fromPath(): Promise<ActiveBundles> {
    const { configured, keys, shipped } = this.#options;
    let files: BundleArchive;
    let bundle: Bundle;
    try {
      files = await readTrusted(configured, keys);
      const digest = bundleDigest(bundleFiles(files));
      const chosen = this.#chosenInstead(digest) ? await this.#lastGood() : null;
      if (chosen !== null) return this.#goOn(chosen, "");
      this.#refuseQuarantined(digest);
      bundle = shipped || this.#decidedBefore(digest) ? opened(files) : await this.#tried(files);
    } catch (thrown) {
      // Another path than before is what somebody wants now: what decided before is no answer to that.
      const error = WeirError.from(thrown);
      const kept = this.#state?.configured === configured ? await this.#lastGood() : null;
      if (kept === null) throw this.#explained(error);
      return this.#goOn(kept, error.message);
    }
    return this.#begin(bundle, files, "");
  }

  /** An operator let another bundle decide since the source offered this one. */
  #chosenInstead(digest: string): boolean {
    const { configured } = this.#options;
    const state = this.#state;
    if (state === null || state.configured !== configured || state.offered !== digest) return false;
    return state.history[0]?.digest !== digest;
  }

  #decidedBefore(digest: string): boolean {
    return this.#state?.history.some((one) => one.digest === digest) ?? false;
  }

  #begin(bundle: Bundle, files: BundleArchive, etag: string): ActiveBundles {
    const { configured, folder, nowMs, starter } = this.#options;
    const { digest, revision } = bundle;
    const earlier = this.#state?.history ?? [];
    const [latest] = earlier;
    const activation: Activation = {
      actor: starter,
      atMs: nowMs,
      digest,
      reason: "the service started with it",
      revision,
      source: configured,
    };
    const history = latest?.digest === digest ? earlier : [activation, ...earlier];
    const state = { configured, etag, history, offered: digest };
    return new ActiveBundles(folder, { bundle, files }, state);
  }

  #goOn({ activation, bundle, files }: Kept, problem: string): ActiveBundles {
    const { configured, folder, onNote } = this.#options;
    const before = this.#state as ActivationState;
    const same = before.configured === configured;
    const skipped = before.history.findIndex((one) => one === activation);
    const state: ActivationState = {
      configured,
      etag: same ? before.etag : "",
      history: before.history.slice(skipped),
      offered: same ? before.offered : "",
    };
    if (problem !== "") {
      const name = activation.revision || activation.digest.slice(0, 12);
      onNote(new WeirError("bundle.invalid", `${problem}; the last good one, ${name}, decides`));
    }
    return new ActiveBundles(folder, { bundle, files }, state, problem);
  }

  /** The latest bundle that decided, is whole, signed as it has to be and not in quarantine. */
  async #lastGood(): Promise<Kept | null> {
    const { folder, onNote } = this.#options;
    const shelf = new BundleShelf(folder);
    for (const activation of this.#state?.history ?? []) {
      try {
        const files = shelf.files(activation.digest);
        if (files === null) continue;
        this.#refuseQuarantined(activation.digest);
        if (this.#keys !== null) await verifyArchive(files, this.#keys);
        const bundle = opened(files);
        if (bundle.digest === activation.digest) return { activation, bundle, files };
        const message = `it has digest ${bundle.digest}`;
        throw new WeirError("bundle.invalid", message);
      } catch (thrown) {
        const { code, message } = WeirError.from(thrown);
        onNote(
          new WeirError(code, `the kept bundle ${activation.digest.slice(0, 12)}: ${message}`),
        );
      }
    }
    return null;
  }

  #refuseQuarantined(digest: string): void {
    const { folder } = this.#options;
    const entry = readQuarantine(folder).get(digest);
    if (entry === undefined) return;
    const since = new Date(entry.atMs).toISOString();
    const message = `bundle ${digest.slice(0, 12)} is in quarantine since ${since}: ${entry.why}; see ${quarantineFile(folder, digest)}`;
    throw new WeirError("bundle.invalid", message);
  }

  #explained(error: WeirError): WeirError {
    if (!error.message.includes("is in quarantine")) return error;
    const help =
      "no other bundle is kept: start with another one, or remove that file to take the risk";
    return new WeirError(error.code, `${error.message}; ${help}`, { cause: error });
  }

  async #tried(files: BundleArchive): Promise<Bundle> {
    const bundle = opened(files);
    try {
      await tryBundle(files, { nowMs: this.#options.nowMs });
    } catch (thrown) {
      const { code, message } = WeirError.from(thrown);
      const place = `bundle ${this.#options.configured} is refused`;
      throw new WeirError(code, `${place}: ${message}`, { cause: thrown });
    }
    return bundle;
  }

  async #fetch(): Promise<{ readonly bytes: Uint8Array; readonly etag: string }> {
    const { configured: url, onNote, token } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await fetchBundle({ etag: "", token, url, waitMs: 0 });
        if (answer.kind === "changed") return answer;
        throw new WeirError("bundle.unavailable", `${url} answers 304 to a first request`);
      } catch (thrown) {
        const error = WeirError.from(thrown);
        if (attempt === ATTEMPTS || error.code !== "bundle.unavailable") throw error;
        onNote(error);
        await sleep(PAUSE_MS);
      }
    }
  }
}

function opened(files: BundleArchive): Bundle {
  return openBundle(bundleFiles(files));
}
