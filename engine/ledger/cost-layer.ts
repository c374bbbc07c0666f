import type { PolicyIntent } from "../policy/input.ts";

/** What a cost is part of; every entry is in exactly one. */
export const COST_LAYERS = [
  "inference",
  "retrieval_embedding",
  "context",
  "orchestration",
  "tools",
  "saas_embeds",
  "governance",
] as const;
export type CostLayer = (typeof COST_LAYERS)[number];

/** Label by which a caller names the layer itself. */
export const LAYER_LABEL = "cost_layer";

const BY_OPERATION: Readonly<Record<string, CostLayer>> = {
  embedding: "retrieval_embedding",
  moderation: "governance",
  rerank: "retrieval_embedding",
  tool: "tools",
};

const BY_TASK: Readonly<Record<string, CostLayer>> = {
  compaction: "context",
  compliance: "governance",
  evaluation: "governance",
  guardrail: "governance",
  human_review: "governance",
  memory: "context",
  orchestration: "orchestration",
  planning: "orchestration",
  retrieval: "retrieval_embedding",
  routing: "orchestration",
};

/**
 * The layer of a model call, the first of these that says one: its label `cost_layer`, its operation,
 * a retry or fallback (an attempt after the first is orchestration), its task; else inference.
 */
export function layerOf(
  intent: Pick<PolicyIntent, "attempt" | "labels" | "operation" | "task">,
): CostLayer {
  const { attempt, labels, operation, task } = intent;
  const named = Object.hasOwn(labels, LAYER_LABEL) ? labels[LAYER_LABEL] : undefined;
  const byLabel = COST_LAYERS.find((layer) => layer === named);
  if (byLabel !== undefined) return byLabel;
  const byOperation = Object.hasOwn(BY_OPERATION, operation) ? BY_OPERATION[operation] : undefined;
  if (byOperation !== undefined) return byOperation;
  if (attempt.number > 1) return "orchestration";
  return (Object.hasOwn(BY_TASK, task) ? BY_TASK[task] : undefined) ?? "inference";
}
