import { loadConfig } from "../../config.ts";
import { tellStory } from "../../serve/story.ts";
import type { Invocation } from "../command.ts";
import { renderStory } from "../render-story.ts";

/** Tells in plain words what happened to a call. */
export async function run({ json, positionals, settings, terminal }: Invocation): Promise<number> {
  const config = await loadConfig({ flags: settings, env: terminal.env, cwd: terminal.cwd });
  const story = tellStory(config.data, positionals["ID"] ?? "");
  if (json) {
    const { checkpoint, later, number, record } = story;
    const records = [{ number, record }, ...later];
    terminal.print(JSON.stringify({ records, checkpoint_records: checkpoint?.size ?? 0 }));
    return 0;
  }
  terminal.print(renderStory(story, { color: terminal.color }));
  return 0;
}
