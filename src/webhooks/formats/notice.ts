import { plainText } from "../../base/text.ts";
import { sizeInWords, timeInWords } from "../../base/words.ts";
import type { Actor, BackupFact } from "../../ledger/catalogue/shapes.ts";

/** What people sort and filter messages by. */
export type Level = "failure" | "warning" | "recovery" | "success" | "info";

/**
 * Text for people in pieces: the relay's own words, and text of others (names, messages), which each format must show
 * without reading it as markup, mention or link.
 */
export type Span = string | { foreign: string };
export type Line = Span[];

/** An event as a message for people: what matters most first, one fact per line. */
export type Notice = { level: Level; title: Line; lines: Line[] };

const LONGEST_NAME = 160;
export const LONGEST_MESSAGE = 400;

/** Text of others, with characters escaped that could reorder or hide what stands around it (SECURITY 34). */
export const foreign = (text: string, longest: number = LONGEST_NAME): Span => ({
  foreign: plainText(text, longest).trim() || "(empty)",
});
export const message = (text: string): Span => foreign(text, LONGEST_MESSAGE);

/** Joins the relay's own words and spans: `line\`Backup made: ${foreign(key)}\``. */
export function line(words: TemplateStringsArray, ...spans: Span[]): Line {
  return words.flatMap((text, at) => [text, ...(at < spans.length ? [spans[at]!] : [])]).filter((span) => span !== "");
}

/** A line that says who did it; none for the relay itself. */
export function byWhom(actor: Actor): Line[] {
  const named = actor.name ?? actor.id;
  const who = named === undefined ? null : foreign(named);
  switch (actor.kind) {
    case "key":
      return who ? [line`By API key ${who}.`] : [];
    case "admin":
      return [line`By an administrator.`];
    case "chat":
      return who ? [line`By ${who} in a chat.`] : [line`From a chat.`];
    case "schedule":
      return who ? [line`By schedule ${who}.`] : [line`By a schedule.`];
    case "upstream":
      return [line`Not through the relay: the dashboard, the server's own schedule, or storage rules.`];
    case "relay":
      return [];
  }
}

/** When a backup was made, in words; null when it is not known. */
export function whenMade({ madeAt, modified }: BackupFact): string | null {
  const time = madeAt ?? modified;
  return time === null ? null : timeInWords(time);
}

/** Size and time of a backup, in words. */
export function sizeAndTime(backup: BackupFact): Line {
  const time = whenMade(backup);
  return time === null ? [`${sizeInWords(backup.size)}.`] : [`${sizeInWords(backup.size)}, of ${time}.`];
}

export const when = (time: string): string => timeInWords(time) ?? "at an unknown time";
