import type { LedgerEvent } from "./event.ts";

/** What the reader may see: `admits` says whether a backup key matches the patterns of the whole lineage. */
export type EventReader = { everything: true } | { everything: false; admits: (key: string) => boolean };

/**
 * The event's text as this reader may have it, or null when the reader may not see it. A reader of every backup gets
 * the stored text byte for byte, which is needed to verify the chain. A reader limited to patterns learns nothing of
 * other backups, nor figures that count them (SECURITY 28).
 */
export function readableText(text: string, reader: EventReader): string | null {
  if (reader.everything) return text;
  const event = JSON.parse(text) as LedgerEvent;
  const data = limited(event, reader.admits);
  return data === null ? null : JSON.stringify({ ...event, data });
}

type Backup = { key: string } | null;
type Data = Record<string, unknown> & { backup?: Backup; safetyBackup?: Backup; newest?: Backup; name?: string | null };

/** Events about a backup that there may never have been. */
const NAMED = ["backup.failed", "operation.canceled"];

function limited(event: LedgerEvent, admits: (key: string) => boolean): Data | null {
  const { stats: _, ...data } = event.data as Data;
  const visible = (backup: Backup | undefined) => (backup && admits(backup.key) ? backup : null);
  if (event.type === "instance.store_changed") return null;
  if (NAMED.includes(event.type) && (data.name == null || !admits(data.name))) return null;
  if (data.backup !== undefined && visible(data.backup) === null) return null;
  if (data.safetyBackup !== undefined) data.safetyBackup = visible(data.safetyBackup);
  if (data.newest !== undefined && visible(data.newest) === null)
    return { ...data, newest: null, newestAgeSeconds: null };
  return data;
}
