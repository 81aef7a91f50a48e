import type { describe } from "./describe.ts";
import type { Line } from "./notice.ts";
import { ICONS, json, type Rendering } from "./rendering.ts";

const TEXT = 4_096;
type Entity = { type: "bold" | "code"; offset: number; length: number };

/**
 * For Telegram's `sendMessage`; the address carries `chat_id` (and `message_thread_id`) as query. Plain text with explicit
 * entities instead of a parse mode: there is nothing to escape, and inside `code` no mention, link or command is found.
 * Offsets count UTF-16 units.
 */
export function telegram(notice: ReturnType<typeof describe>, url: string): Rendering {
  const address = new URL(url);
  const parameters: Record<string, string> = {};
  for (const name of ["chat_id", "message_thread_id"]) {
    const value = address.searchParams.get(name);
    if (value !== null) parameters[name] = value;
    address.searchParams.delete(name);
  }
  const entities: Entity[] = [];
  let text = "";
  const add = (line: Line, type?: "bold") => {
    const length = line.reduce((sum, span) => sum + (typeof span === "string" ? span : span.foreign).length, 1);
    if (text.length + length > TEXT) return;
    if (text !== "") text += "\n";
    for (const span of line) {
      const piece = typeof span === "string" ? span : span.foreign;
      const kind = typeof span === "string" ? type : "code";
      if (kind) entities.push({ type: kind, offset: text.length, length: piece.length });
      text += piece;
    }
  };
  add([`${ICONS[notice.level]} `, ...notice.title], "bold");
  for (const line of notice.lines) add(line);
  add(notice.origin);
  return json(address.href, { ...parameters, text, entities, link_preview_options: { is_disabled: true } });
}
