import type { describe } from "./describe.ts";
import { ICONS, json, linesThatFit, type Rendering, written } from "./rendering.ts";

const CONTENT = 2_000;
/** SUPPRESS_EMBEDS: no previews of links. */
const NO_PREVIEWS = 4;

/** Foreign text is shown as inline code, in which nothing is read as markup, mention or link; it must not end it. */
const code = (text: string) => `\`${text.replaceAll("`", "ˋ")}\``;

/** For a Discord webhook. `wait=true`, because without it Discord answers 204 even to what it drops. */
export function discord(notice: ReturnType<typeof describe>, url: string): Rendering {
  const address = new URL(url);
  address.searchParams.set("wait", "true");
  const content = linesThatFit(
    [
      `${ICONS[notice.level]} **${written(notice.title, code)}**`,
      ...notice.lines.map((line) => written(line, code)),
      `-# ${written(notice.origin, code)}`,
    ],
    CONTENT,
  );
  return json(address.href, { content, allowed_mentions: { parse: [] }, flags: NO_PREVIEWS });
}
