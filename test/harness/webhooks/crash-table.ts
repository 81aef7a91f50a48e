import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const page = join(import.meta.dirname, "../../../docs/webhooks.md");
const FROM = "<!-- crash table -->\n";
const TO = "<!-- end of crash table -->";

export type CrashRow = { point: string; how: "simulated" | "SIGKILL"; lost: number; most: number };

/** Puts the rows into docs/webhooks.md; an unchanged table leaves the file alone. */
export function writeCrashTable(rows: readonly CrashRow[]): void {
  const lines = rows.map(
    ({ point, how, lost, most }) => `| ${point} | ${how} | ${lost} | ${most === 0 ? 0 : `≤ ${most}`} |`,
  );
  const table = ["| killed | how | lost | twice |", "|---|---|---:|---:|", ...lines].join("\n");
  const text = readFileSync(page, "utf8");
  const [from, to] = [text.indexOf(FROM) + FROM.length, text.indexOf(TO)];
  if (from < FROM.length || to < from) throw new Error("docs/webhooks.md has no place for the table");
  const next = `${text.slice(0, from)}\n${table}\n\n${text.slice(to)}`;
  if (next !== text) writeFileSync(page, next);
}
