import type { MadeBy, Preflight } from "../archive/preflight.ts";
import { isoTime } from "../base/clock.ts";
import { readServerTime } from "../base/server-time.ts";
import { durationInWords } from "../base/words.ts";

/** What whoever decides about a request sees of it: what will be lost, and whose file it is. */
export type Preview = {
  madeBy: MadeBy;
  /** In words: what is lost when it is done. */
  loses: string;
  /** Of a restore: every change of the server's data since this moment is lost, ISO 8601; null when it is not known. */
  losesSince: string | null;
  losesSeconds: number | null;
  /** What the preflight warns of; empty for a deletion. */
  warnings: string[];
  archive: Preflight["archive"];
};

/** A restore puts the data of the backup's time in place of the present. */
export function restorePreview({ backup, archive, checks, madeBy }: Preflight, now: number): Preview {
  const made = backup && readServerTime(backup.modified);
  const seconds = made === null ? null : Math.max(0, Math.round((now - made) / 1000));
  return {
    madeBy,
    loses:
      made === null
        ? "Every change of the server's data since the backup was made."
        : `Every change of the server's data since ${isoTime(made)}, ${aboutHowLong(seconds!)} of them.`,
    losesSince: made === null ? null : isoTime(made),
    losesSeconds: seconds,
    warnings: checks.filter(({ ok, severity }) => !ok && severity === "warn").map(({ message }) => message),
    archive,
  };
}

/** A deletion takes one file for good; `others` are the backups that stay, `newer` those of them made after it. */
export function deletePreview(madeBy: MadeBy, others: number, newer: number): Preview {
  const left = others === 0 ? "It is the only backup." : `${others} stay, ${newer} of them newer.`;
  return {
    madeBy,
    loses: `This backup, for good. ${left}`,
    losesSince: null,
    losesSeconds: null,
    warnings: newer === 0 ? ["No newer backup stays."] : [],
    archive: null,
  };
}

const aboutHowLong = (seconds: number) => (seconds === 0 ? durationInWords(0) : `about ${durationInWords(seconds)}`);
