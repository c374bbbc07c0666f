import { WeirError } from "../../engine/errors.ts";
import { type BundleOperator, createBundleOperator } from "../../engine/operator/bundles.ts";
import type { Ports } from "../../engine/ports.ts";
import { ActiveBundles } from "../bundles/active-bundles.ts";
import { type Canary, failedCanary, startCanary } from "../bundles/canary.ts";
import { BundleDesk } from "../bundles/desk.ts";
import { readVerificationKeys } from "../bundles/keys.ts";
import { startPolling } from "../bundles/poll.ts";
import { RecentInputs } from "../bundles/recent-inputs.ts";
import { isUrl, readTrusted } from "../bundles/trusted.ts";
import { startWatchdog } from "../bundles/watchdog.ts";
import type { Config } from "../config.ts";
import { instrumentBundles } from "../telemetry/instrument.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { splitPersons } from "./split-persons.ts";
import { startUpload } from "./upload-host.ts";

/** What keeps the bundle of a service right while it runs. */
export interface BundleUpkeep {
  readonly operator: BundleOperator;
  stop(): Promise<void>;
}

/**
 * Watches every evaluation, asks the source for newer bundles, takes an operator's, and tells the
 * server that collects OPA's reports. null where the ports come with a bundle that nothing changes, as in
 * tests.
 */
export async function startBundleUpkeep(
  config: Config,
  ports: Ports,
  metrics: Metrics,
  onNote: (note: WeirError) => void,
): Promise<BundleUpkeep | null> {
  const { bundles, clock, ids, log } = ports;
  if (!(bundles instanceof ActiveBundles)) return null;
  const recent = new RecentInputs();
  const watchdog = startWatchdog(bundles.folder);
  const canary = await openCanary(config, bundles.folder, onNote);
  bundles.guardWith((policy, digest) => {
    const watched = recent.watch(watchdog.guard(policy, digest));
    return canary === null ? watched : canary.watch(watched, digest);
  });
  const desk = new BundleDesk({
    bundles,
    canary: () => canary?.status() ?? null,
    clock,
    keys: config.bundleKeys === null ? null : readVerificationKeys(config.bundleKeys),
    log,
    onChange: (change) => {
      metrics.bundles.changed(change ?? "activated");
      upload?.reportStatus();
    },
    onNote,
    recentInputs: () => recent.texts,
    token: config.bundleToken,
    unfit: (bundle) => splitPersons(config, bundle),
  });
  metrics.bundles.watch(() => desk.status());
  const { opaService } = config;
  const upload =
    opaService === null
      ? null
      : await startUpload({ ...config, opaService }, () => desk.status(), onNote);
  if (upload !== null) metrics.watchUpload(upload);
  const polling = isUrl(config.bundle)
    ? startPolling({
        ids,
        listener: desk,
        longPollMs: config.bundleLongPollMs,
        pollMs: config.bundlePollMs,
        token: config.bundleToken,
        url: config.bundle,
      })
    : null;
  return {
    operator: instrumentBundles(createBundleOperator(ports, desk), metrics),
    stop: async () => {
      await polling?.stop();
      await upload?.stop();
      await canary?.stop();
      await watchdog.stop();
    },
  };
}

/** The second bundle; one that cannot be had is told of, and hinders nothing. */
async function openCanary(
  { bundleKeys, bundleToken, canary }: Config,
  folder: string,
  onNote: (note: WeirError) => void,
): Promise<Canary | null> {
  if (canary === null) return null;
  try {
    return startCanary(canary, await readTrusted(canary, bundleKeys, bundleToken), folder);
  } catch (thrown) {
    const { code, message } = WeirError.from(thrown);
    onNote(new WeirError(code, `there is no canary: ${message}`));
    return failedCanary(canary, message);
  }
}
