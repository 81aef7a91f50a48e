import type { LedgerEvent } from "./event.ts";

/** Who reads: `admits` says whether a backup key matches the patterns of the whole lineage. */
export type EventReader = { everything: true } | { everything: false; admits: (key: string) => boolean };

/**
 * The event's text as this reader may have it, or null when it is none of the reader's business. Who may see every
 * backup gets the stored text byte for byte, which alone verifies the chain. Who is limited to patterns is not told of
 * other backups, nor of figures that count them (SECURITY 28).
 */
export function readableText(text: string, reader: EventReader): string | null {
  if (reader.everything) return text;
  const event = JSON.parse(text) as LedgerEvent;
  const seen = limited(event, reader.admits);
  return seen === null ? null : JSON.stringify({ ...event, data: seen });
}

type Backup = { key: string } | null;
type Data = Record<string, unknown> & { backup?: Backup; safetyBackup?: Backup; newest?: Backup; name?: string | null };

function limited(event: LedgerEvent, admits: (key: string) => boolean): Data | null {
  const { stats: _, ...data } = event.data as Data;
  const mine = (backup: Backup | undefined) => (backup && admits(backup.key) ? backup : null);
  if (event.type === "instance.store_changed") return null;
  if (event.type === "backup.failed" && (data.name == null || !admits(data.name))) return null;
  if (data.backup !== undefined && mine(data.backup) === null) return null;
  if (data.safetyBackup !== undefined) data.safetyBackup = mine(data.safetyBackup);
  if (data.newest !== undefined && mine(data.newest) === null) return { ...data, newest: null, newestAgeSeconds: null };
  return data;
}
