import { Buffer } from "node:buffer";
import type { describe } from "./describe.ts";
import type { Level } from "./notice.ts";
import { json, linesThatFit, type Rendering, shortened, written } from "./rendering.ts";

const TITLE = 250;
const MESSAGE_BYTES = 4_096;

const PRIORITY: Record<Level, number> = { failure: 5, warning: 4, recovery: 3, success: 2, info: 2 };
const TAGS: Record<Level, string> = {
  failure: "x",
  warning: "warning",
  recovery: "white_check_mark",
  success: "white_check_mark",
  info: "information_source",
};

/**
 * For an ntfy topic: the address is the topic's (`https://ntfy.sh/topic`), the message goes to its parent as JSON, because
 * headers hold no other than ASCII text. Without `markdown` the message is plain text.
 */
export function ntfy(notice: ReturnType<typeof describe>, url: string): Rendering {
  const address = new URL(url);
  const path = address.pathname.replace(/\/+$/, "");
  const topic = path.slice(path.lastIndexOf("/") + 1);
  address.pathname = path.slice(0, path.lastIndexOf("/") + 1);
  const own = (line: (typeof notice.lines)[number]) => written(line, (text) => text);
  const lines = [...notice.lines, notice.origin].map(own);
  let message = linesThatFit(lines, MESSAGE_BYTES);
  while (Buffer.byteLength(message) > MESSAGE_BYTES) message = shortened(message, Math.floor(message.length * 0.9));
  return json(address.href, {
    topic,
    title: shortened(own(notice.title), TITLE),
    message,
    priority: PRIORITY[notice.level],
    tags: [TAGS[notice.level]],
  });
}
