import type { weir } from "../../proto/gen/weir.js";
import { formatBundle, formatWait, harmless, type Style } from "./style.ts";

/** A bundle and how it came to decide, for a program. */
export function activationJson(activation: weir.v1.BundleActivation) {
  const { actor, atMs, digest, reason, revision, source } = activation;
  return { digest, revision, at_ms: Number(atMs), actor, reason, source };
}

export function statusJson(status: weir.v1.BundleStatus) {
  const { active, answeredAtMs, askedAtMs, canary, configured, earlier, problem } = status;
  return {
    active: active === null ? null : activationJson(active),
    earlier: earlier.map(activationJson),
    configured,
    asked_at_ms: Number(askedAtMs),
    answered_at_ms: Number(answeredAtMs),
    problem,
    quarantined: status.quarantined.map(({ atMs, digest, why }) => ({
      digest,
      at_ms: Number(atMs),
      why,
    })),
    canary:
      canary === null
        ? null
        : {
            digest: canary.digest,
            revision: canary.revision,
            source: canary.source,
            judged: Number(canary.judged),
            differences: Number(canary.differences),
            dropped: Number(canary.dropped),
            stopped: canary.stopped,
          },
  };
}

/** Which bundle decides and what its source said last, for people. */
export function statusText(status: weir.v1.BundleStatus, nowMs: number, style: Style): string {
  const { active, answeredAtMs, askedAtMs, canary, configured, earlier, problem } = status;
  const ago = (atMs: unknown) => `${formatWait(Math.max(0, nowMs - Number(atMs)))} ago`;
  const row = (name: string, text: string) => `  ${style.faint(name.padEnd(10))}  ${text}`;
  const lines = [style.bold(active === null ? "no bundle" : harmless(formatBundle(active)))];
  if (active !== null) {
    lines.push(row("since", `${ago(active.atMs)}, by ${harmless(active.actor)}`));
    lines.push(row("why", harmless(active.reason)), row("from", harmless(active.source)));
    if (active.source !== configured) lines.push(row("configured", harmless(configured)));
  }
  if (Number(askedAtMs) > 0) {
    const answered =
      Number(answeredAtMs) > 0 ? `answered ${ago(answeredAtMs)}` : "no answer since the start";
    lines.push(row("asked", `${ago(askedAtMs)}; ${answered}`));
  }
  if (problem !== "") lines.push(row("problem", style.red(harmless(problem))));
  for (const [index, one] of earlier.entries()) {
    const text = `${formatBundle(one)}, ${ago(one.atMs)}, by ${one.actor}: ${one.reason}`;
    lines.push(row(index === 0 ? "before" : "", harmless(text)));
  }
  for (const { atMs, digest, why } of status.quarantined) {
    lines.push(row("quarantine", `${digest.slice(0, 12)}, ${ago(atMs)}: ${harmless(why)}`));
  }
  if (canary !== null) {
    const { differences, dropped, judged, stopped } = canary;
    const counts = `${differences} of ${judged} verdicts differ, ${dropped} inputs not judged`;
    lines.push(row("canary", `${harmless(formatBundle(canary))}, from ${harmless(canary.source)}`));
    lines.push(row("", stopped === "" ? counts : `${counts}; ${style.red(harmless(stopped))}`));
  }
  return lines.join("\n");
}

/** A change of the bundle, for people. */
export function changeText(change: weir.v1.BundleChange, style: Style): string {
  const { after, digestBefore, revisionBefore } = change;
  if (after === null) throw new Error("the server's answer is empty");
  const before = formatBundle({ digest: digestBefore, revision: revisionBefore });
  return [
    `${style.bold(style.green("DECIDES"))}  ${harmless(formatBundle(after))}`,
    `  ${style.faint("before")}  ${harmless(before)}`,
    `  ${style.faint("why")}     ${harmless(after.reason)}`,
  ].join("\n");
}

export function changeJson({ after, digestBefore, revisionBefore }: weir.v1.BundleChange) {
  return {
    before: { digest: digestBefore, revision: revisionBefore },
    after: after === null ? null : activationJson(after),
  };
}
