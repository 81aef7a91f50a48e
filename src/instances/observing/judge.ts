import type { MadeAt } from "../../archive/made.ts";
import { type Clock, pastOrUnknown } from "../../base/clock.ts";
import { readServerTime } from "../../base/server-time.ts";
import { madeAt, type TimeEvidence, whyNoBackup } from "../../observing/made-at.ts";
import { type Judged, type Newest, newestOf } from "../../observing/newest.ts";
import { type FileVersion, sameVersion } from "../../observing/tracked-backup.ts";
import type { ListedBackup } from "../../upstream/backups-api.ts";
import type { TrackedBackups } from "./tracked-backups.ts";
import type { Verification, Verifications } from "./verifications.ts";

export type Version = FileVersion & { key: string };

type Deps = {
  tracked: TrackedBackups;
  verifications: Verifications;
  /** How far the server's clock was ahead at the last list. */
  skewMs: () => number;
  clock: Clock;
};

/** Says of each backup when it was made and whether it counts, from all that is stored about it. Everybody asks here. */
export class Judge {
  private readonly deps: Deps;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** What was found in this version; null when it was not, and is not to be, looked into. */
  verification({ key, size, modified }: Version): Verification | null {
    const found = this.deps.verifications.read(key);
    return found && sameVersion(found, { size, modified }) ? found : null;
  }

  /** `found` spares a read where it is at hand. */
  of(version: Version, found = this.verification(version)): Judged {
    const verified = found?.verified ?? "no";
    const evidence = this.evidence(version, found?.newestEntry ?? null);
    const listed = { size: version.size, ambiguous: this.deps.tracked.byKey.get(version.key)?.ambiguous };
    return { madeAt: madeAt(evidence), verified, noBackup: whyNoBackup({ ...evidence, ...listed }, verified) };
  }

  /** When it was made, its newest entry being known from a look right now. */
  madeAt(version: Version, newestEntry: number | null): MadeAt {
    return madeAt(this.evidence(version, newestEntry));
  }

  /** The same without what is in its archive: at the latest. Reads nothing. */
  latestAt(version: Version): number {
    return this.madeAt(version, null).at;
  }

  newest<B extends Version>(backups: readonly B[]): Newest<B> {
    return newestOf(
      backups,
      (backup) => this.latestAt(backup),
      (backup) => this.of(backup),
    );
  }

  /** The newest of the backups that the ledger says are there; null when there is none. */
  newestTold(): (Version & Judged) | null {
    return this.newest(this.deps.tracked.announced()).newest;
  }

  private evidence(version: Version, newestEntry: number | null): TimeEvidence {
    const { key, modified } = version;
    const now = this.deps.clock();
    const known = this.deps.tracked.byKey.get(key);
    const sight = known?.sights?.find((each) => sameVersion(each, version));
    const seenAt = pastOrUnknown(sight?.at ?? null, now);
    if (sight && seenAt !== null)
      return { key, modified, newestEntry, skewMs: sight.skewMs, seenAt, arrival: sight.arrival };
    // Rows of older relays tell of the key alone, and a list that no look took tells nothing but what it shows.
    const skewMs = this.deps.skewMs();
    const passed = modified !== null && modified - skewMs <= now;
    const firstSeen = pastOrUnknown(known?.firstSeen ?? null, now) ?? now;
    return { key, modified, newestEntry, skewMs, seenAt: passed ? now : firstSeen, arrival: null };
  }
}

/** A file of a server's list by its version. */
export const versionOf = ({ key, size, modified }: Pick<ListedBackup, "key" | "size" | "modified">): Version => ({
  key,
  size,
  modified: readServerTime(modified),
});
