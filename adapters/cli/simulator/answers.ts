import type { FormatName } from "../../../engine/provider/format.ts";

/** What a simulated provider answers, before it takes a provider's form. */
export interface Answer {
  readonly model: string;
  readonly words: readonly string[];
  readonly input: number;
  readonly output: number;
  /** The request's cap cut it. */
  readonly isCut: boolean;
  /** The stream was asked to tell usage. */
  readonly asksUsage: boolean;
}

/** One event of a stream, and how many words were told with it. */
export interface StreamDocument {
  /** Name of the event where the format gives it one. */
  readonly name: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly words: number;
}

const CREATED = 1_764_000_000;

/** A whole answer in a provider's form. */
export function wholeOf(format: FormatName, answer: Answer): object {
  const { input, isCut, model, output } = answer;
  const content = answer.words.join("");
  switch (format) {
    case "openai.chat":
    case "mistral.chat":
    case "openai.completions": {
      const isText = format === "openai.completions";
      const message = { role: "assistant", content, refusal: null };
      return chatDocument(answer, {
        choice: isText ? { text: content } : { message },
        object: isText ? "text_completion" : "chat.completion",
        usage: true,
      });
    }
    case "openai.responses":
      return response(answer, isCut ? "incomplete" : "completed", true);
    case "openai.embeddings":
      return {
        object: "list",
        data: [{ object: "embedding", index: 0, embedding: [0.5, -0.5] }],
        model,
        usage: { prompt_tokens: input, total_tokens: input },
      };
    case "anthropic.messages":
      return {
        ...message(answer),
        content: [{ type: "text", text: content, citations: null }],
        stop_reason: isCut ? "max_tokens" : "end_turn",
        usage: { ...anthropicInput(input), output_tokens: output },
      };
    case "google.generate_content":
      return gemini(answer, content, isCut ? "MAX_TOKENS" : "STOP", output);
    case "google.embed_content":
      return { embedding: { values: [0.5] } };
    case "bedrock.converse":
      return {
        output: { message: { role: "assistant", content: [{ text: content }] } },
        stopReason: isCut ? "max_tokens" : "end_turn",
        usage: bedrockUsage(input, output),
        metrics: { latencyMs: 1 },
      };
    case "openai.images":
      return {
        created: CREATED,
        data: [{ b64_json: "AAAA" }],
        usage: { input_tokens: input, output_tokens: output, total_tokens: input + output },
      };
    case "openai.speech":
      return {};
  }
}

/** The events of a stream in a provider's form. */
export function documentsOf(format: FormatName, answer: Answer): readonly StreamDocument[] {
  const each = (
    make: (word: string, index: number) => Readonly<Record<string, unknown>>,
    name = "",
  ): StreamDocument[] =>
    answer.words.map((word, index) => ({ name, payload: make(word, index), words: index + 1 }));
  const all = answer.words.length;
  switch (format) {
    case "anthropic.messages":
      return anthropicStream(answer, each);
    case "google.generate_content":
      return each((word, index) =>
        gemini(
          answer,
          word,
          index + 1 < all ? null : answer.isCut ? "MAX_TOKENS" : "STOP",
          index + 1,
        ),
      );
    case "openai.responses":
      return responsesStream(answer, each);
    case "bedrock.converse":
      return [
        { name: "messageStart", payload: { role: "assistant" }, words: 0 },
        ...each((text) => ({ contentBlockIndex: 0, delta: { text } }), "contentBlockDelta"),
        {
          name: "messageStop",
          payload: { stopReason: answer.isCut ? "max_tokens" : "end_turn" },
          words: all,
        },
        {
          name: "metadata",
          payload: { metrics: { latencyMs: 1 }, usage: bedrockUsage(answer.input, answer.output) },
          words: all,
        },
      ];
    case "mistral.chat":
    case "openai.chat":
    case "openai.completions":
      return chatStream(format, answer, each);
    case "google.embed_content":
    case "openai.embeddings":
    case "openai.images":
    case "openai.speech":
      return [];
  }
}

type Each = (
  make: (word: string, index: number) => Readonly<Record<string, unknown>>,
  name?: string,
) => StreamDocument[];

function chatStream(format: FormatName, answer: Answer, each: Each): readonly StreamDocument[] {
  const object = "chat.completion.chunk";
  const all = answer.words.length;
  const telling = format === "mistral.chat";
  const end = chatDocument(answer, { choice: { delta: {} }, object, usage: telling });
  const usage = chatDocument(answer, { choice: null, object, usage: true });
  return [
    ...each((content, index) => {
      const delta = index === 0 ? { role: "assistant", content } : { content };
      const choice = format === "openai.completions" ? { text: content } : { delta };
      return chatDocument(answer, { choice, isOpen: true, object });
    }),
    { name: "", payload: end, words: all },
    ...(answer.asksUsage && !telling ? [{ name: "", payload: usage, words: all }] : []),
  ];
}

function chatDocument(
  { asksUsage, input, isCut, model, output }: Answer,
  form: {
    readonly choice: object | null;
    readonly object: string;
    readonly isOpen?: boolean;
    readonly usage?: boolean;
  },
): Readonly<Record<string, unknown>> {
  const finish = form.isOpen === true ? null : isCut ? "length" : "stop";
  const figures = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
  const noted = asksUsage && form.object.endsWith("chunk") ? { usage: null } : {};
  return {
    id: "chatcmpl-sim",
    object: form.object,
    created: CREATED,
    model,
    choices: form.choice === null ? [] : [{ index: 0, ...form.choice, finish_reason: finish }],
    ...(form.usage === true ? { usage: figures } : noted),
  };
}

function response(
  answer: Answer,
  status: string,
  isOver: boolean,
): Readonly<Record<string, unknown>> {
  const { input, output, words } = answer;
  return {
    id: "resp_sim",
    object: "response",
    created_at: CREATED,
    model: answer.model,
    status,
    incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
    output: isOver
      ? [
          {
            type: "message",
            id: "msg_sim",
            role: "assistant",
            status: "completed",
            content: [{ type: "output_text", text: words.join(""), annotations: [] }],
          },
        ]
      : [],
    usage: isOver
      ? {
          input_tokens: input,
          input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
          output_tokens: output,
          output_tokens_details: { reasoning_tokens: 0 },
          total_tokens: input + output,
        }
      : null,
  };
}

function responsesStream(answer: Answer, each: Each): readonly StreamDocument[] {
  const all = answer.words.length;
  const item = { item_id: "msg_sim", output_index: 0, content_index: 0 };
  const end = answer.isCut ? "incomplete" : "completed";
  const [first, ...deltas] = [
    { type: "response.created", response: response(answer, "in_progress", false) },
    ...each((delta) => ({ type: "response.output_text.delta", ...item, delta })).map(
      ({ payload }) => payload,
    ),
  ];
  const payloads = [
    first,
    ...deltas,
    { type: `response.${end}`, response: response(answer, end, true) },
  ];
  return payloads.map((payload, index) => ({
    name: String(payload?.["type"]),
    payload: { sequence_number: index, ...payload },
    words: Math.min(index, all),
  }));
}

function message({ model }: Answer): Readonly<Record<string, unknown>> {
  return { id: "msg_sim", type: "message", role: "assistant", model, stop_sequence: null };
}

function anthropicInput(input: number): object {
  return { input_tokens: input, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
}

function anthropicStream(answer: Answer, each: Each): readonly StreamDocument[] {
  const { input, isCut, output } = answer;
  const named = (type: string, more: object, words: number): StreamDocument => ({
    name: type,
    payload: { type, ...more },
    words,
  });
  const usage = { ...anthropicInput(input), output_tokens: 1 };
  const start = { ...message(answer), content: [], stop_reason: null, usage };
  return [
    named("message_start", { message: start }, 0),
    named("content_block_start", { index: 0, content_block: { type: "text", text: "" } }, 0),
    ...each(
      (text) => ({
        type: "content_block_delta",
        index: 0,
        delta: { type: "text_delta", text },
      }),
      "content_block_delta",
    ),
    named("content_block_stop", { index: 0 }, output),
    named(
      "message_delta",
      {
        delta: { stop_reason: isCut ? "max_tokens" : "end_turn", stop_sequence: null },
        usage: { output_tokens: output },
      },
      output,
    ),
    named("message_stop", {}, output),
  ];
}

function gemini(
  { input, model }: Answer,
  text: string,
  finishReason: string | null,
  output: number,
): Readonly<Record<string, unknown>> {
  return {
    candidates: [
      {
        content: { role: "model", parts: [{ text }] },
        ...(finishReason !== null && { finishReason }),
        index: 0,
      },
    ],
    usageMetadata: {
      promptTokenCount: input,
      candidatesTokenCount: output,
      totalTokenCount: input + output,
    },
    modelVersion: model,
  };
}

function bedrockUsage(inputTokens: number, outputTokens: number): object {
  return { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens };
}
