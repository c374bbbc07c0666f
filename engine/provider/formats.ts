import { ANTHROPIC_MESSAGES } from "./anthropic-messages.ts";
import { BEDROCK_CONVERSE } from "./bedrock-converse.ts";
import type { FormatName, WireFormat } from "./format.ts";
import { GOOGLE_EMBED_CONTENT, GOOGLE_GENERATE_CONTENT } from "./google.ts";
import { MISTRAL_CHAT } from "./mistral-chat.ts";
import { OPENAI_CHAT, OPENAI_COMPLETIONS } from "./openai-chat.ts";
import { OPENAI_EMBEDDINGS, OPENAI_IMAGES, OPENAI_SPEECH } from "./openai-other.ts";
import { OPENAI_RESPONSES } from "./openai-responses.ts";

/** Every wire format by its name. */
export const FORMATS: Readonly<Record<FormatName, WireFormat>> = {
  "openai.chat": OPENAI_CHAT,
  "openai.completions": OPENAI_COMPLETIONS,
  "openai.responses": OPENAI_RESPONSES,
  "openai.embeddings": OPENAI_EMBEDDINGS,
  "openai.images": OPENAI_IMAGES,
  "openai.speech": OPENAI_SPEECH,
  "anthropic.messages": ANTHROPIC_MESSAGES,
  "google.generate_content": GOOGLE_GENERATE_CONTENT,
  "google.embed_content": GOOGLE_EMBED_CONTENT,
  "mistral.chat": MISTRAL_CHAT,
  "bedrock.converse": BEDROCK_CONVERSE,
};
