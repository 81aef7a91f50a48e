import type { MadeAt } from "../archive/made.ts";
import { isBackupKey } from "./backup-key.ts";

/**
 * How a backup came, as far as that decides about its time. `relay`: the relay had the server make it; `upload`: by the
 * relay, its content may be of any age; null: behind the relay's back, which may have been an upload as well.
 */
export type Arrival = "relay" | "upload" | null;

/** What may tell when a backup was made. Times are ms since the epoch, by the relay's clock unless they say otherwise. */
export type TimeEvidence = {
  key: string;
  /** By the server's clock; null when the server gave none. */
  modified: number | null;
  /** How far the server's clock was ahead of the relay's when the file was first seen. */
  skewMs: number;
  /** When the relay first saw this content of the file. */
  seenAt: number;
  arrival: Arrival;
  /** The newest time of a file in the archive, by the server's clock; null when it is not known. */
  newestEntry: number | null;
};

/** A server's `Date` is in whole seconds and comes with the answer: less than this is no difference of clocks. */
const CLOCKS_AGREE_MS = 2_000;
/** A file's time further ahead than this when it was first seen is false: clocks of a server and its store differ by less. */
const AHEAD_MS = 300_000;
/** How long the server's own backups may take, from the time in the name to that of the file. */
const LONGEST_CREATE_MS = 6 * 3_600_000;

/** How far the server's clock is ahead, from its `Date` and the time at which it was asked. */
export const clockSkew = (serverTime: number | null, at: number): number =>
  serverTime === null || Math.abs(serverTime - at) < CLOCKS_AGREE_MS ? 0 : serverTime - at;

/**
 * When a backup was made: the one answer that latest, overdue, previews and notices share. Never later than it was first
 * seen, so never later than now, and the same each time it is asked. What did not surely come from the server itself is as
 * old as the newest file in it: a quiet server's own backup may hold old writes only.
 */
export function madeAt(evidence: TimeEvidence): MadeAt {
  const { modified, skewMs, seenAt, newestEntry } = evidence;
  const stated = modified === null ? null : modified - skewMs;
  const at = stated === null || hasFalseTime(evidence) ? seenAt : Math.min(stated, seenAt);
  if (evidence.arrival === "relay") return { at, by: "seen" };
  const entry = newestEntry === null || isServersOwn(evidence) ? null : newestEntry - skewMs;
  if (entry !== null && entry < at) return { at: entry, by: "archive" };
  return { at, by: at === stated ? "modified" : "seen" };
}

/** Whether the file states a time that had not come yet when it was first seen: then it says nothing. */
export const hasFalseTime = ({ modified, skewMs, seenAt }: TimeEvidence): boolean =>
  modified !== null && modified - skewMs > seenAt + AHEAD_MS;

/** The server names its own backups by the moment it begins, and so does `madeAt` tell them from others of such a name. */
function isServersOwn({ key, modified, arrival }: TimeEvidence): boolean {
  const named = /^(?:@auto_)?pb_backup_.*?(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\.zip$/.exec(key);
  if (arrival === "upload" || modified === null || !named) return false;
  const [year, month, day, hours, minutes, seconds] = named.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const tookMs = modified - Date.UTC(year, month - 1, day, hours, minutes, seconds);
  return tookMs > -CLOCKS_AGREE_MS && tookMs < LONGEST_CREATE_MS;
}

/** What a backup's content was found to be; `pending`: waits for its turn, `no`: it was not looked into. */
export type Verified = "ok" | "suspect" | "no" | "pending";

/** Why a file is not taken for a backup, however new it is; null when it is one. */
export type NoBackup = "not_zip" | "ambiguous" | "empty" | "suspect" | "false_time" | null;

/**
 * Whether a file counts as a backup: a ZIP by its name, which is listed once, not empty, and verified or not yet looked into. What states a time
 * to come counts once it was looked into.
 */
export function whyNoBackup(
  backup: TimeEvidence & { size: number; ambiguous?: boolean },
  verified: Verified,
): NoBackup {
  if (!isBackupKey(backup.key) || !/\.zip$/i.test(backup.key)) return "not_zip";
  if (backup.ambiguous) return "ambiguous";
  if (verified === "suspect") return "suspect";
  if (backup.size === 0) return "empty";
  return verified !== "ok" && backup.arrival !== "relay" && hasFalseTime(backup) ? "false_time" : null;
}
