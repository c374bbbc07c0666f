import type { Decision } from "../../engine/decision/decision.ts";
import { LIMITS } from "../../engine/limits.ts";
import type { Balance, StateStore } from "../../engine/ports.ts";
import type { StoredDecision } from "../../engine/record/record.ts";
import type { EndReply, SettleReply, SettleRequest } from "../../engine/reservation/lifecycle.ts";
import type {
  AdjustReply,
  AdjustRequest,
  Freeze,
  Grant,
  OperatorControls,
  ReserveReply,
  ReserveRequest,
  ScopeCharge,
  ScopeStatus,
  TenantFreeze,
  VelocityRequest,
} from "../../engine/reservation/reservation.ts";
import { kindsOf, passAsk } from "./asking.ts";
import { answered, type RedisClient } from "./connection.ts";
import { Controls } from "./controls.ts";
import { Doubts } from "./doubts.ts";
import { decisionKeys, type TagKeys } from "./keys.ts";
import { countOpen, readBalances, readVelocity } from "./looks.ts";
import { flatHolds, flatScopes, linksOf, planText, runKeys } from "./plan.ts";
import { decodeEnd, decodeSettlement, decodeSnapshot, noEnd, UNKNOWN_SETTLEMENT } from "./reply.ts";
import { Register } from "./register.ts";
import { Replicas } from "./replicas.ts";
import { lost, Reservations } from "./reservations.ts";
import { restoreCall } from "./restore.ts";
import { Script, ScriptCall, type ScriptHost, type ScriptReply } from "./scripts.ts";
import { Sweep } from "./sweep.ts";

/**
 * State shared by every node of a fleet, in Redis. Each call is one script on keys of one slot, all of
 * them declared; see docs/redis.md for the layout.
 */
export class RedisStateStore implements StateStore {
  readonly #client: RedisClient;
  readonly #host: ScriptHost;
  readonly #controls: Controls;
  readonly #reservations: Reservations;
  readonly #register: Register;
  readonly #doubts = new Doubts();
  readonly #sweep: Sweep;
  readonly #scripts = {
    adjust: new Script("adjust"),
    conclude: new Script("conclude"),
    release: new Script("release"),
    reserve: new Script("reserve"),
    restore: new Script("restore"),
    settle: new Script("settle"),
  };

  /** `replicas`: how many must have a change before it counts as made. */
  constructor(client: RedisClient, replicas = { count: 0, timeoutMs: 0 }) {
    this.#client = client;
    this.#host = { client, replicas: new Replicas(client, replicas) };
    this.#controls = new Controls(this.#host);
    this.#register = new Register(client);
    this.#reservations = new Reservations(this.#host);
    this.#sweep = new Sweep(this.#host, this.#reservations, this.#doubts, (nowMs) =>
      this.#controls.forgetGrants(nowMs),
    );
  }

  async reserve(request: ReserveRequest): Promise<ReserveReply> {
    const { decisionId, nowMs, run, tenant } = request;
    const keys = decisionKeys(decisionId);
    const links = linksOf(request);
    const [frozen] = await Promise.all([
      this.#controls.frozen(request.freezeScopes),
      this.#register.tell(tenant),
    ]);
    const call = new ScriptCall()
      .key(keys.intent(links.intent), keys.reservation(decisionId), keys.state, keys.balances)
      .key(keys.deadlines, ...runKeys(keys, links))
      .value(decisionId, request.contentDigest, nowMs, request.deadlineMs)
      .value(Math.max(1, request.deadlineMs + LIMITS.idempotencyGraceMs - nowMs))
      .value(request.force, request.isRetry, run?.fingerprint ?? "", LIMITS.fingerprintsPerRun)
      .value(planText(links, request));
    passAsk(call, { ...request, endings: links.endings, isFrozen: frozen.length > 0 });
    const reply = await this.#reserved(request, keys, call);
    const kind = String(reply[0]);
    if (kind === "replay") return { decisionId: String(reply[1]), kind };
    if (kind !== "reserved") return { kind: kind as "conflict" | "in_flight" | "finished" };
    this.#reservations.remember(decisionId, links);
    const [, held, forced, now, sequence, ...snapshot] = reply;
    return {
      forced: String(forced) === "1",
      held: String(held) === "1",
      kind,
      nowMs: Number(now),
      snapshot: decodeSnapshot(snapshot, request, frozen, Number(now)),
      stateSequence: Number(sequence),
    };
  }

  /** A reservation whose answer was lost may have been made: it is given back once the store answers. */
  async #reserved(
    { decisionId, nowMs, scopes }: ReserveRequest,
    keys: TagKeys,
    call: ScriptCall,
  ): Promise<ScriptReply> {
    try {
      return await this.#knowing(scopes, keys, this.#scripts.reserve, call);
    } catch (thrown) {
      this.#doubts.reservation(decisionId, nowMs);
      throw thrown;
    }
  }

  /** Runs a script that needs the parameters of windows: those the server does not know are told first. */
  async #knowing(
    scopes: readonly ScopeCharge[],
    keys: TagKeys,
    script: Script,
    call: ScriptCall,
  ): Promise<ScriptReply> {
    const reply = await script.run(this.#host, call);
    if (String(reply[0]) !== "windows") return reply;
    const fields = kindsOf(scopes).flatMap(({ field, packed }) => [field, packed]);
    await answered(this.#client.hset(keys.state, ...fields));
    return script.run(this.#host, call);
  }

  async adjust(request: AdjustRequest): Promise<AdjustReply> {
    const { decisionId, nowMs } = request;
    const keys = decisionKeys(decisionId);
    const [frozen, links] = await Promise.all([
      this.#controls.frozen(request.freezeScopes),
      this.#reservations.find(decisionId),
    ]);
    if (links === null) throw lost(decisionId);
    const call = new ScriptCall()
      .key(keys.reservation(decisionId), keys.state, keys.balances)
      .key(...runKeys(keys, links))
      .value(nowMs, LIMITS.fingerprintsPerRun, JSON.stringify(flatHolds(request.holds)))
      .value(JSON.stringify(flatScopes(request.tenant, request.scopes)));
    passAsk(call, { ...request, endings: links.endings, isFrozen: frozen.length > 0 });
    const reply = await this.#knowing(request.scopes, keys, this.#scripts.adjust, call);
    if (String(reply[0]) === "unknown") throw lost(decisionId);
    const [, held, sequence, ...snapshot] = reply;
    return {
      held: String(held) === "1",
      snapshot: decodeSnapshot(snapshot, request, frozen, nowMs),
      stateSequence: Number(sequence),
    };
  }

  async conclude(decisionId: string, decision: Decision): Promise<void> {
    const keys = decisionKeys(decisionId);
    const links = await this.#reservations.find(decisionId);
    if (links === null) throw lost(decisionId);
    const call = new ScriptCall()
      .key(keys.reservation(decisionId), keys.intent(links.intent))
      .value(decisionId, JSON.stringify(decision), decision.effect)
      .value(decision.decidedAtMs + decision.retryAfterMs);
    const [kind] = await this.#scripts.conclude.run(this.#host, call);
    if (String(kind) === "unknown") throw lost(decisionId);
  }

  release(decisionId: string, nowMs: number): Promise<EndReply> {
    return this.#release(decisionId, nowMs, false);
  }

  abandon(decisionId: string, nowMs: number): Promise<EndReply> {
    return this.#release(decisionId, nowMs, true);
  }

  async #release(decisionId: string, nowMs: number, abandon: boolean): Promise<EndReply> {
    let reply: ScriptReply | null;
    try {
      reply = await this.#reservations.end(this.#scripts.release, decisionId, nowMs, abandon);
    } catch (thrown) {
      this.#doubts.release(decisionId);
      throw thrown;
    }
    const isDoubtful = this.#doubts.takeRelease(decisionId);
    if (reply === null) return noEnd(decisionId, "unknown");
    const end = decodeEnd(decisionId, reply);
    // It was ended by a call whose answer was lost: nobody has its entry yet.
    if (end.ended || !isDoubtful || end.state !== "released") return end;
    return (await this.ended(decisionId)) ?? end;
  }

  async settle(request: SettleRequest): Promise<SettleReply> {
    const { decisionId, digest, nowMs, sequence } = request;
    const doubt = `${decisionId}:${sequence}:${digest}`;
    let reply: ScriptReply | null;
    try {
      reply = await this.#reservations.end(
        this.#scripts.settle,
        decisionId,
        nowMs,
        sequence,
        digest,
        request.final,
        request.basis,
        request.costPicoUsd,
        request.chargedNanoUsd,
        request.tokens,
      );
    } catch (thrown) {
      this.#doubts.settlement(doubt);
      throw thrown;
    }
    if (reply === null) return UNKNOWN_SETTLEMENT;
    const isDoubtful = this.#doubts.takeSettlement(doubt);
    const settlement = decodeSettlement(reply);
    // It was posted by a call whose answer was lost: nobody has its entry yet.
    if (settlement.status !== "duplicate" || !isDoubtful) return settlement;
    return (await this.settled(request)) ?? settlement;
  }

  /** What a report posted when it was taken, or null; for whoever has to append its entry. */
  async settled({ decisionId, sequence }: SettleRequest): Promise<SettleReply | null> {
    const [kept] = await this.#reservations.fields(decisionId, [`posted:${sequence}`]);
    return typeof kept === "string"
      ? decodeSettlement(JSON.parse(kept) as readonly unknown[])
      : null;
  }

  /** Whether a reservation is there and has not ended. */
  isOpen(decisionId: string): Promise<boolean> {
    return this.#reservations.isOpen(decisionId);
  }

  /** How a reservation ended, or null; for whoever has to append its entry. */
  ended(decisionId: string): Promise<EndReply | null> {
    return this.#reservations.ended(decisionId);
  }

  /** Ends what is past its deadline, and gives back what was reserved by calls whose answer was lost. */
  async expire(nowMs: number, max: number): Promise<readonly EndReply[]> {
    for (const [decisionId, madeMs] of this.#doubts.reservations()) {
      await this.abandon(decisionId, madeMs);
      this.#doubts.resolve(decisionId);
    }
    return this.#sweep.expire(this.#register.tags, nowMs, max);
  }

  async decision(decisionId: string): Promise<Decision | null> {
    const [text] = await this.#reservations.fields(decisionId, ["decision"]);
    return typeof text === "string" ? (JSON.parse(text) as Decision) : null;
  }

  async restore(stored: StoredDecision, nowMs: number): Promise<void> {
    await this.#register.tell(stored.record.tenant);
    await this.#scripts.restore.run(this.#host, restoreCall(stored, nowMs));
  }

  async freeze(tenant: string, freeze: Freeze): Promise<void> {
    if (tenant !== "*") await this.#register.tell(tenant);
    await this.#controls.freeze(tenant, freeze);
  }

  unfreeze(tenant: string, scope: string): Promise<void> {
    return this.#controls.unfreeze(tenant, scope);
  }

  freezes(): Promise<readonly TenantFreeze[]> {
    return this.#controls.freezes();
  }

  grant(grant: Grant): Promise<void> {
    return this.#controls.grant(grant);
  }

  grants(): Promise<readonly Grant[]> {
    return this.#controls.grants();
  }

  /** Tells of all that operators set, on any node, within a second; ends with what it returns. */
  watch(onControls: (controls: OperatorControls) => void): () => void {
    return this.#controls.watch(onControls);
  }

  velocity(request: VelocityRequest): Promise<readonly ScopeStatus[]> {
    return readVelocity(this.#client, request);
  }

  balances(): Promise<readonly Balance[]> {
    return readBalances(this.#client);
  }

  openReservations(): Promise<number> {
    return countOpen(this.#client);
  }

  /** Makes the node's log known to whoever checks the state against the logs of all nodes. */
  join(logName: string): Promise<void> {
    return this.#register.join(logName);
  }
}
