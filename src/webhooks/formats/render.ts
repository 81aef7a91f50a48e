import type { LedgerEvent } from "../../ledger/event.ts";
import { describe } from "./describe.ts";
import { discord } from "./discord.ts";
import { healthchecks } from "./healthchecks.ts";
import { ntfy } from "./ntfy.ts";
import type { Rendering } from "./rendering.ts";
import { slack } from "./slack.ts";
import { telegram } from "./telegram.ts";

/** How an endpoint gets its events: as the ledger's own text, or as a message for people in the form a service takes. */
export const formats = ["standard", "slack", "discord", "telegram", "ntfy", "healthchecks"] as const;
export type Format = (typeof formats)[number];

/** An event as a message for people, in the request that the service at `url` takes. The same event gives the same bytes. */
export function render(format: Exclude<Format, "standard">, event: LedgerEvent, url: string): Rendering {
  const notice = describe(event);
  switch (format) {
    case "slack":
      return slack(notice, url);
    case "discord":
      return discord(notice, url);
    case "telegram":
      return telegram(notice, url);
    case "ntfy":
      return ntfy(notice, url);
    case "healthchecks":
      return healthchecks(notice, url, event);
  }
}

/** What a format needs in an address that is otherwise acceptable: a sentence when it is missing, else null. */
export function missingInAddress(format: Format, url: string): string | null {
  const { pathname, searchParams } = new URL(url);
  if (format === "telegram" && !searchParams.get("chat_id"))
    return "The address of a Telegram endpoint ends in /sendMessage?chat_id=<id>.";
  if (format === "telegram" && !/\/sendMessage$/i.test(pathname))
    return "The address of a Telegram endpoint ends in /sendMessage?chat_id=<id>.";
  if (format === "ntfy" && !/^(\/[^/]+)*\/[-_A-Za-z0-9]{1,64}\/?$/.test(pathname))
    return "The address of an ntfy endpoint ends in the name of its topic.";
  if (format === "healthchecks" && /^\/*$|\/(start|fail|log)\/*$/.test(pathname))
    return "The address of a Healthchecks endpoint is the check's ping address, without /start, /fail or /log.";
  return null;
}
