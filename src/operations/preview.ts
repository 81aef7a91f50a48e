import type { MadeAtBy } from "../archive/made.ts";
import type { MadeBy, Preflight } from "../archive/preflight.ts";
import { durationInWords } from "../base/words.ts";

/** What whoever decides about a request sees of it: what will be lost, and whose file it is. */
export type Preview = {
  madeBy: MadeBy;
  /** In words: what is lost when it is done. */
  loses: string;
  /** Of a restore: every change of the server's data since this moment is lost, ISO 8601; null when it is not known. */
  losesSince: string | null;
  losesSeconds: number | null;
  /** By which evidence that moment is known; null for a deletion, undefined in operations of older relays. */
  madeAtBy?: MadeAtBy | null;
  /** What the preflight warns of; empty for a deletion. */
  warnings: string[];
  archive: Preflight["archive"];
};

/** A restore puts the data of the backup's time in place of the present. */
export function restorePreview({ archive, checks, madeBy, madeAt, madeAtBy }: Preflight, now: number): Preview {
  const seconds = madeAt === null ? null : Math.max(0, Math.round((now - Date.parse(madeAt)) / 1000));
  const how = madeAtBy === "archive" ? " The newest file in the archive is of that time." : "";
  return {
    madeBy,
    loses:
      madeAt === null
        ? "Every change of the server's data since the backup was made."
        : `Every change of the server's data since ${madeAt}, ${aboutHowLong(seconds!)} of them.${how}`,
    losesSince: madeAt,
    losesSeconds: seconds,
    madeAtBy,
    warnings: checks.filter(({ ok, severity }) => !ok && severity === "warn").map(({ message }) => message),
    archive,
  };
}

/** A deletion takes one file for good; `others` are the files that stay, `newer` the backups among them made after it. */
export function deletePreview(madeBy: MadeBy, others: number, newer: number): Preview {
  const left = others === 0 ? "It is the only backup." : `${others} stay, ${newer} of them newer.`;
  return {
    madeBy,
    loses: `This backup, for good. ${left}`,
    losesSince: null,
    losesSeconds: null,
    madeAtBy: null,
    warnings: newer === 0 ? ["No newer backup stays."] : [],
    archive: null,
  };
}

const aboutHowLong = (seconds: number) => (seconds === 0 ? durationInWords(0) : `about ${durationInWords(seconds)}`);
