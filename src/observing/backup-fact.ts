import type { MadeAt } from "../archive/made.ts";
import { isoTime } from "../base/clock.ts";
import type { BackupFact } from "../ledger/catalogue/shapes.ts";
import type { FileVersion } from "./tracked-backup.ts";

/** A backup as events tell it. */
export const backupFact = (
  { key, size, modified }: FileVersion & { key: string },
  judged?: { madeAt: MadeAt },
): BackupFact => ({
  key,
  size,
  modified: modified === null ? null : isoTime(modified),
  ...(judged ? { madeAt: isoTime(judged.madeAt.at) } : {}),
});
