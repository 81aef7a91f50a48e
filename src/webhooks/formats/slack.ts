import type { describe } from "./describe.ts";
import { ICONS, json, linesThatFit, type Rendering, shortened, written } from "./rendering.ts";

const HEADER = 150;
const SECTION = 3_000;

/** Slack reads `<…>` as link or mention and `&` as entity, in every text that is not `plain_text`. */
const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/**
 * For a Slack incoming webhook (and Mattermost, Rocket.Chat). Blocks of `plain_text`, which knows no markup, no mentions
 * and no `:emoji:`; the fallback `text` of notifications is escaped and marked as no markdown.
 */
export function slack(notice: ReturnType<typeof describe>, url: string): Rendering {
  const plain = (text: string) => ({ type: "plain_text", text, emoji: false });
  const title = `${ICONS[notice.level]} ${written(notice.title, (text) => text)}`;
  const lines = notice.lines.map((line) => written(line, (text) => text));
  return json(url, {
    text: shortened(escaped(title), SECTION),
    mrkdwn: false,
    blocks: [
      { type: "header", text: plain(shortened(title, HEADER)) },
      ...(lines.length > 0 ? [{ type: "section", text: plain(linesThatFit(lines, SECTION)) }] : []),
      { type: "context", elements: [plain(written(notice.origin, (text) => text))] },
    ],
    unfurl_links: false,
    unfurl_media: false,
  });
}
