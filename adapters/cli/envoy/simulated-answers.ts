/** Provider APIs that are simulated; Mistral speaks OpenAI's chat. */
export type SimulatedApi = "openai" | "anthropic" | "google" | "mistral";

/** One call as it will be answered. */
export interface SimulatedCall {
  readonly api: SimulatedApi;
  readonly model: string;
  readonly stream: boolean;
  /** Tokens of the request. */
  readonly input: number;
  /** Words of the answer, a token each. */
  readonly words: number;
  /** The answer ends with its figures. */
  readonly tellsUsage: boolean;
}

/** One event of a stream and how many words it carries. */
export interface SimulatedEvent {
  readonly text: string;
  readonly words: number;
}

/** The answer as one JSON document. */
export function answerOf(call: SimulatedCall): object {
  const content = Array.from({ length: call.words }, (_, index) => word(index)).join("");
  const { input, model, tellsUsage, words } = call;
  switch (call.api) {
    case "openai":
    case "mistral":
      return {
        id: "chatcmpl-sim",
        object: "chat.completion",
        created: 1_764_072_000,
        model,
        choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content } }],
        ...(tellsUsage ? { usage: openAiUsage(input, words) } : {}),
      };
    case "anthropic":
      return {
        id: "msg_sim",
        type: "message",
        role: "assistant",
        model,
        content: [{ type: "text", text: content }],
        stop_reason: "end_turn",
        stop_sequence: null,
        ...(tellsUsage ? { usage: { input_tokens: input, output_tokens: words } } : {}),
      };
    case "google":
      return geminiOf(call, content, true);
  }
}

/** The answer as server-sent events. */
export function streamOf(call: SimulatedCall): readonly SimulatedEvent[] {
  switch (call.api) {
    case "openai":
    case "mistral":
      return openAiStream(call);
    case "anthropic":
      return anthropicStream(call);
    case "google":
      return geminiStream(call);
  }
}

function word(index: number): string {
  return index === 0 ? "word" : ` word${index}`;
}

function openAiUsage(input: number, output: number): object {
  return { completion_tokens: output, prompt_tokens: input, total_tokens: input + output };
}

function openAiStream({ input, model, tellsUsage, words }: SimulatedCall): SimulatedEvent[] {
  const base = {
    id: "chatcmpl-sim",
    object: "chat.completion.chunk",
    created: 1_764_072_000,
    model,
  };
  const event = (rest: object, count = 0): SimulatedEvent => ({
    text: `data: ${JSON.stringify({ ...base, ...rest })}\n\n`,
    words: count,
  });
  const delta = (delta: object, finish: string | null) => ({
    choices: [{ delta, finish_reason: finish, index: 0 }],
    ...(tellsUsage ? { usage: null } : {}),
  });
  return [
    event(delta({ content: "", role: "assistant" }, null)),
    ...Array.from({ length: words }, (_, index) => event(delta({ content: word(index) }, null), 1)),
    event(delta({}, "stop")),
    ...(tellsUsage ? [event({ choices: [], usage: openAiUsage(input, words) })] : []),
    { text: "data: [DONE]\n\n", words: 0 },
  ];
}

function anthropicStream({ input, model, tellsUsage, words }: SimulatedCall): SimulatedEvent[] {
  const event = (type: string, rest: object, count = 0): SimulatedEvent => ({
    text: `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`,
    words: count,
  });
  const first = tellsUsage ? { usage: { input_tokens: input, output_tokens: 1 } } : {};
  const last = tellsUsage ? { usage: { output_tokens: words } } : {};
  const message = {
    id: "msg_sim",
    type: "message",
    role: "assistant",
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    ...first,
  };
  return [
    event("message_start", { message }),
    event("content_block_start", { content_block: { text: "", type: "text" }, index: 0 }),
    ...Array.from({ length: words }, (_, index) =>
      event(
        "content_block_delta",
        { delta: { text: word(index), type: "text_delta" }, index: 0 },
        1,
      ),
    ),
    event("content_block_stop", { index: 0 }),
    event("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, ...last }),
    event("message_stop", {}),
  ];
}

function geminiOf({ input, model, tellsUsage, words }: SimulatedCall, text: string, ends: boolean) {
  const usageMetadata = {
    candidatesTokenCount: words,
    promptTokenCount: input,
    totalTokenCount: input + words,
  };
  return {
    candidates: [
      {
        content: { parts: [{ text }], role: "model" },
        index: 0,
        ...(ends ? { finishReason: "STOP" } : {}),
      },
    ],
    modelVersion: model,
    ...(tellsUsage ? { usageMetadata } : {}),
  };
}

function geminiStream(call: SimulatedCall): SimulatedEvent[] {
  return Array.from({ length: call.words }, (_, index) => {
    const ends = index === call.words - 1;
    const soFar = { ...call, words: index + 1 };
    return {
      text: `data: ${JSON.stringify(geminiOf(soFar, word(index), ends))}\r\n\r\n`,
      words: 1,
    };
  });
}
