import { isAbsolute } from "node:path";

import { warmUpInSteps } from "../../engine/decision/warm-up.ts";
import { WeirError } from "../../engine/errors.ts";
import type {
  Activation,
  BundleChange,
  BundleControl,
  BundleRef,
  BundleStatus,
  CanaryStatus,
} from "../../engine/operator/bundles.ts";
import { type Bundle, bundleDigest, openInSteps } from "../../engine/policy/bundle.ts";
import type { Clock, RecordLog } from "../../engine/ports.ts";
import { type BundleRecord, RECORD_VERSION } from "../../engine/record/record.ts";
import type { ActiveBundles } from "./active-bundles.ts";
import { type BundleArchive, bundleFiles, unpack } from "./archive.ts";
import type { VerificationKeys } from "./keys.ts";
import { verifyArchive } from "./signature.ts";
import { inSlices } from "./slices.ts";
import { SOURCE_ACTOR } from "./start.ts";
import { type ActivationState, liftQuarantine, readQuarantine } from "./state-file.ts";
import { tryBundle } from "./trial.ts";
import { getArchive, isUrl } from "./trusted.ts";

export interface DeskOptions {
  readonly bundles: ActiveBundles;
  readonly log: RecordLog;
  readonly clock: Clock;
  /** Whose signatures are believed; null: bundles need none. */
  readonly keys: VerificationKeys | null;
  readonly token: string;
  /** Policy inputs of decisions made lately, which a new bundle is tried with. */
  readonly recentInputs: () => readonly string[];
  /** Inputs drawn for a trial; absent: as many as `tryBundle` draws. */
  readonly samples?: number;
  readonly canary: () => CanaryStatus | null;
  /** Why a bundle cannot decide in this service, whatever is right with it otherwise; null: it can. */
  readonly unfit: (bundle: Bundle) => string | null;
  /** Told of every bundle that decides from now on, and of every one that is refused. */
  readonly onChange: (change: BundleRecord["change"]) => void;
  readonly onNote: (note: WeirError) => void;
}

interface Wanted {
  readonly actor: string;
  readonly reason: string;
  readonly source: string;
  readonly change: "activated" | "rolled_back";
}

/** Where bundles come to decide: fetched, verified, tried in a worker, warmed, logged, swapped in. */
export class BundleDesk implements BundleControl {
  readonly #options: DeskOptions;
  /** The change under way: the next one waits. */
  #latest: Promise<unknown> = Promise.resolve();
  #askedAtMs = 0;
  #answeredAtMs = 0;
  /** Why the source's latest bundle does not decide; "": it does. */
  #problem: string;
  /** Why the source does not answer; "": it does. */
  #away = "";
  /** Digest of the latest bundle of the source that was refused; "": none was. */
  #refused = "";
  /** ETag of the latest answer, refused bundles included. */
  #etag: string;

  constructor(options: DeskOptions) {
    this.#options = options;
    this.#problem = options.bundles.problem;
    this.#etag = options.bundles.state.etag;
  }

  status(): BundleStatus {
    const { bundles, canary } = this.#options;
    const { configured, history } = bundles.state;
    return {
      active: bundles.activation,
      answeredAtMs: this.#answeredAtMs,
      askedAtMs: this.#askedAtMs,
      canary: canary(),
      configured,
      earlier: history.slice(1),
      problem: this.#away === "" ? this.#problem : this.#away,
      quarantined: [...readQuarantine(bundles.folder).values()],
    };
  }

  activate(source: string, actor: string, reason: string): Promise<BundleChange> {
    return this.#oneByOne(async () => {
      const wanted: Wanted = { actor, change: "activated", reason, source };
      const before = this.#options.bundles.activation;
      const files = await this.#refusing(new Map(), wanted, () => this.#get(source));
      const opened = await this.#judged(files, wanted);
      liftQuarantine(this.#options.bundles.folder, opened.digest);
      await this.#swap(opened, files, wanted, {});
      return { after: this.#options.bundles.activation, before };
    });
  }

  rollback(actor: string, reason: string): Promise<BundleChange> {
    return this.#oneByOne(async () => {
      const { bundles } = this.#options;
      const before = bundles.activation;
      const quarantined = readQuarantine(bundles.folder);
      const { history } = bundles.state;
      const target = history.find(
        (one) => one.digest !== before.digest && !quarantined.has(one.digest),
      );
      const files = target === undefined ? null : bundles.shelf.files(target.digest);
      if (target === undefined || files === null) {
        throw new WeirError("bundle.invalid", "there is no earlier bundle to return to");
      }
      const wanted: Wanted = { actor, change: "rolled_back", reason, source: target.source };
      await this.#verify(files);
      const bundle = await inSlices(openInSteps(bundleFiles(files)));
      const rest = history.slice(history.indexOf(target) + 1);
      await this.#swap(bundle, files, wanted, { history: rest });
      return { after: bundles.activation, before };
    });
  }

  /** The ETag to ask the source with. */
  get etag(): string {
    return this.#etag;
  }

  /** The source is asked now. */
  asked(): void {
    this.#askedAtMs = this.#options.clock.nowMs();
  }

  /** The source answered, and if that was all, nothing changed. */
  unchanged(): void {
    this.#answeredAtMs = this.#options.clock.nowMs();
    this.#away = "";
  }

  /** The source did not answer, or not with a bundle. */
  failed(error: WeirError): void {
    const isAway = error.code === "bundle.unavailable";
    // A server that is away for an hour is one line, not a thousand.
    if (error.message !== (isAway ? this.#away : this.#problem)) this.#options.onNote(error);
    if (isAway) this.#away = error.message;
    else this.#problem = error.message;
  }

  /** The source offers a bundle; it decides unless it is refused, or an operator chose since. */
  offered(bytes: Uint8Array, etag: string): Promise<void> {
    return this.#oneByOne(async () => {
      this.unchanged();
      const source = this.#options.bundles.state.configured;
      const reason = "offered by the source";
      try {
        await this.#take(bytes, etag, { actor: SOURCE_ACTOR, change: "activated", reason, source });
        this.#etag = etag;
        this.#problem = "";
        this.#refused = "";
      } catch (thrown) {
        // Refused once is refused: it is asked for again when it has changed.
        if (WeirError.from(thrown).code === "bundle.invalid") this.#etag = etag;
        throw thrown;
      }
    });
  }

  async #take(bytes: Uint8Array, etag: string, wanted: Wanted): Promise<void> {
    const { bundles } = this.#options;
    const files = await this.#refusing(new Map(), wanted, () => unpack(bytes));
    const digest = digestOrNone(files);
    if (digest !== "" && digest === this.#refused) {
      throw new WeirError("bundle.invalid", this.#problem);
    }
    const quarantined = readQuarantine(bundles.folder).get(digest);
    if (quarantined !== undefined) {
      const message = `bundle ${digest.slice(0, 12)} is in quarantine: ${quarantined.why}`;
      throw new WeirError("bundle.invalid", message);
    }
    if (digest === bundles.state.offered || digest === bundles.activation.digest) {
      await this.#refusing(files, wanted, () => this.#verify(files));
      bundles.noteOffer(digest, etag, files);
      return;
    }
    const bundle = await this.#judged(files, wanted);
    await this.#swap(bundle, files, wanted, { etag, offered: bundle.digest });
  }

  #oneByOne<Result>(change: () => Promise<Result>): Promise<Result> {
    const changed = this.#latest.then(change).catch((thrown: unknown) => {
      throw WeirError.from(thrown);
    });
    this.#latest = changed.catch(() => undefined);
    return changed;
  }

  #get(source: string): Promise<BundleArchive> {
    if (isUrl(source) || isAbsolute(source)) return getArchive(source, this.#options.token);
    const description = `${source} is neither an absolute path nor an http(s) URL`;
    throw new WeirError("admin.invalid", `bundle refused: source: ${description}`, {
      violations: [{ description, field: "source" }],
    });
  }

  /** Verified, tried away from this thread, and opened. */
  #judged(files: BundleArchive, wanted: Wanted): Promise<Bundle> {
    const { clock, recentInputs, samples, unfit } = this.#options;
    return this.#refusing(files, wanted, async () => {
      await this.#verify(files);
      await tryBundle(files, { nowMs: clock.nowMs(), recent: recentInputs(), samples });
      const bundle = await inSlices(openInSteps(bundleFiles(files)));
      const why = unfit(bundle);
      if (why !== null) throw new WeirError("bundle.invalid", why);
      return bundle;
    });
  }

  /** What is refused on the way is in the log, in the status and told. */
  async #refusing<Result>(
    files: BundleArchive,
    wanted: Wanted,
    work: () => Promise<Result>,
  ): Promise<Result> {
    try {
      return await work();
    } catch (thrown) {
      const error = WeirError.from(thrown);
      if (error.code === "bundle.invalid") await this.#refuse(files, wanted, error);
      throw error;
    }
  }

  async #verify(files: BundleArchive): Promise<void> {
    const { keys } = this.#options;
    if (keys !== null) await verifyArchive(files, keys);
  }

  async #swap(
    bundle: Bundle,
    files: BundleArchive,
    wanted: Wanted,
    change: Partial<ActivationState>,
  ): Promise<void> {
    const { bundles, clock, log, onChange } = this.#options;
    await inSlices(warmUpInSteps(bundle, clock.nowMs()));
    const { actor, reason, source } = wanted;
    const { digest, revision } = bundle;
    const activation: Activation = { actor, atMs: clock.nowMs(), digest, reason, revision, source };
    await log.append(this.#line(bundle, wanted, wanted.change));
    const state = { ...bundles.state, ...change };
    // The same one again has nothing before it that a rollback could return to.
    const earlier = state.history.filter((one) => one.digest !== digest);
    bundles.install({ bundle, files }, { ...state, history: [activation, ...earlier] });
    onChange(wanted.change);
  }

  async #refuse(files: BundleArchive, wanted: Wanted, error: WeirError): Promise<void> {
    const { log, onChange, onNote } = this.#options;
    const ref = { digest: digestOrNone(files), revision: "" };
    await log.append(this.#line(ref, { ...wanted, reason: error.message }, "refused"));
    if (wanted.actor === SOURCE_ACTOR) {
      this.#problem = error.message;
      this.#refused = ref.digest;
    }
    onChange("refused");
    onNote(new WeirError(error.code, `bundle ${wanted.source} is refused: ${error.message}`));
  }

  #line(
    { digest, revision }: BundleRef,
    { actor, reason, source }: Wanted,
    change: "activated" | "refused" | "rolled_back",
  ): BundleRecord {
    const { bundles, clock } = this.#options;
    const before = bundles.activation;
    return {
      v: RECORD_VERSION,
      kind: "bundle",
      at_ms: clock.nowMs(),
      actor,
      before: { digest: before.digest, revision: before.revision },
      change,
      digest,
      reason,
      revision,
      source,
    };
  }
}

function digestOrNone(files: BundleArchive): string {
  try {
    return bundleDigest(bundleFiles(files));
  } catch {
    return "";
  }
}
