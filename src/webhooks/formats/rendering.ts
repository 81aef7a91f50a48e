import type { Line, Notice, Span } from "./notice.ts";

/** The request for a service that does not take Standard Webhooks. */
export type Rendering = { url: string; contentType: string; body: string };

export const ICONS: Record<Notice["level"], string> = {
  failure: "❌",
  warning: "⚠️",
  recovery: "✅",
  success: "✅",
  info: "ℹ️",
};

/** A line as text; `show` writes each piece of foreign text. */
export const written = (line: Line, show: (foreign: string) => string): string =>
  line.map((span: Span) => (typeof span === "string" ? span : show(span.foreign))).join("");

/** At most `longest` UTF-16 units, never half a character. */
export const shortened = (text: string, longest: number): string =>
  text.length <= longest ? text : `${text.slice(0, longest - 1).replace(/[\ud800-\udbff]$/, "")}…`;

/** Whole lines only, as many as fit; the first always. */
export function linesThatFit(lines: readonly string[], longest: number): string {
  let text = shortened(lines[0] ?? "", longest);
  for (const next of lines.slice(1)) {
    if (text.length + 1 + next.length > longest) return text.length + 2 <= longest ? `${text}\n…` : text;
    text += `\n${next}`;
  }
  return text;
}

export const json = (url: string, body: unknown): Rendering => ({
  url,
  contentType: "application/json",
  body: JSON.stringify(body),
});
