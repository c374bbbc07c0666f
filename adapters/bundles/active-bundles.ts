import type { Activation } from "../../engine/operator/bundles.ts";
import type { Bundle } from "../../engine/policy/bundle.ts";
import type { Evaluator } from "../../engine/policy/evaluate.ts";
import type { BundleSource } from "../../engine/ports.ts";
import type { BundleArchive } from "./archive.ts";
import { BundleShelf } from "./shelf.ts";
import { type ActivationState, writeState } from "./state-file.ts";

/** A bundle that is open, with the files it came as and how it came to decide. */
export interface OpenedBundle {
  readonly bundle: Bundle;
  readonly files: BundleArchive;
}

const HISTORY_MAX = 16;

/** The bundle that decides, which may change between decisions, and all that decided before. */
export class ActiveBundles implements BundleSource {
  readonly folder: string;
  readonly shelf: BundleShelf;
  /** Why what the source offered at the start does not decide; "": it does. */
  readonly problem: string;
  #bundle: Bundle;
  #guarded: Bundle;
  #guard: (policy: Evaluator, digest: string) => Evaluator = (policy) => policy;
  #state: ActivationState;

  /** The bundle of the state's latest activation, which is kept from now on. */
  constructor(folder: string, opened: OpenedBundle, state: ActivationState, problem = "") {
    this.folder = folder;
    this.shelf = new BundleShelf(folder);
    this.problem = problem;
    this.#bundle = opened.bundle;
    this.#guarded = opened.bundle;
    this.#state = state;
    this.#keep(opened, state);
  }

  current(): Bundle {
    return this.#guarded;
  }

  byDigest(digest: string): Bundle | null {
    return digest === this.#bundle.digest ? this.#guarded : this.shelf.open(digest);
  }

  get state(): ActivationState {
    return this.#state;
  }

  /** How the bundle that decides came to. */
  get activation(): Activation {
    const [activation] = this.#state.history;
    if (activation === undefined) throw new Error("a bundle decides that was never activated");
    return activation;
  }

  /** Every evaluation from now on goes through what this gives. */
  guardWith(guard: (policy: Evaluator, digest: string) => Evaluator): void {
    this.#guard = guard;
    this.#swap(this.#bundle);
  }

  /** The next decision is made with this bundle; those under way end with theirs. */
  install(opened: OpenedBundle, state: ActivationState): void {
    const history = state.history.slice(0, HISTORY_MAX);
    this.#keep(opened, { ...state, history });
    this.#swap(opened.bundle);
  }

  /** The source offered the bundle that decides, or one that an operator passed over. */
  noteOffer(digest: string, etag: string, files: BundleArchive): void {
    // It may be signed anew, by a key that will be the only one tomorrow.
    if (digest === this.#bundle.digest) this.shelf.keep(digest, files);
    if (this.#state.offered === digest && this.#state.etag === etag) return;
    this.#state = { ...this.#state, etag, offered: digest };
    writeState(this.folder, this.#state);
  }

  #keep({ bundle, files }: OpenedBundle, state: ActivationState): void {
    this.shelf.keep(bundle.digest, files);
    writeState(this.folder, state);
    this.#state = state;
  }

  #swap(bundle: Bundle): void {
    this.#bundle = bundle;
    this.#guarded = { ...bundle, policy: this.#guard(bundle.policy, bundle.digest) };
  }
}
