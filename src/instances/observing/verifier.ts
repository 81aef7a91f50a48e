import { type ArrivalReport, verifyOnArrival } from "../../archive/arrival.ts";
import type { Flavour } from "../../archive/flavour.ts";
import type { Clock } from "../../base/clock.ts";
import type { BackupFact } from "../../ledger/catalogue/shapes.ts";
import type { EventDraft } from "../../ledger/event.ts";
import { backupFact } from "../../observing/backup-fact.ts";
import type { Duty } from "../../storage/duties.ts";
import type { Ledger } from "../ledger/store.ts";
import type { Server } from "../server/server.ts";
import type { Judge } from "./judge.ts";
import { MAX_TRIES, type Verification, type Verifications, waitAfter } from "./verifications.ts";

/** How soon to ask again while one is under way, or the server is to be left alone, ms. */
const WAIT_MS = 2_000;

type Deps = {
  storage: DurableObjectStorage;
  server: Server;
  verifications: Verifications;
  judge: Judge;
  ledger: Ledger;
  clock: Clock;
  detach: (work: Promise<unknown>) => void;
  /** Whether the server is to be asked for nothing that can wait. */
  paused: () => boolean;
  /** Called when a backup was looked into: another may be the newest now. */
  judged: () => void;
};

/** Inspects new backups, one after the other, and announces what it found. */
export class Verifier implements Duty {
  readonly name = "verifications";
  private readonly deps: Deps;
  private running = false;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  due(now: number): number {
    const due = this.deps.verifications.nextAt() ?? Number.POSITIVE_INFINITY;
    return this.running || this.deps.paused() ? Math.max(due, now + WAIT_MS) : due;
  }

  run(): void {
    this.deps.detach(this.verifyAll());
  }

  /** Verifies one after the other until none is due. */
  private async verifyAll(): Promise<void> {
    this.running = true;
    try {
      const flavour = await this.deps.server.flavour();
      for (let next = this.deps.verifications.next(); next !== null; next = this.deps.verifications.next())
        await this.look(next, flavour);
    } finally {
      this.running = false;
    }
  }

  private async look(pending: Verification, flavour: Flavour): Promise<void> {
    const { server, verifications, judge, judged, clock } = this.deps;
    const connected = await server.connect();
    const { key, size, medianSize } = pending;
    const arrival = connected.ok
      ? await verifyOnArrival(connected.value.reader({ key, size }), size, medianSize, flavour)
      : connected;
    // Deleted or replaced meanwhile: the observer has recorded that already.
    const current = verifications.read(key);
    if (current?.size !== size || current.modified !== pending.modified) return;
    const tries = pending.tries + 1;
    if (!arrival.ok) {
      const gaveUp = tries >= MAX_TRIES;
      verifications.write({
        ...pending,
        tries,
        verified: gaveUp ? "no" : "pending",
        reason: gaveUp ? "Its bytes could not be read." : null,
        at: clock() + waitAfter(tries),
      });
      if (gaveUp) judged();
      return;
    }
    const { verified, level, reasons, newestEntry } = arrival.value;
    const reason = reasons[0]?.message ?? null;
    this.deps.storage.transactionSync(() => {
      verifications.write({ ...pending, tries, verified, level, reason, newestEntry, at: clock() });
      this.deps.ledger.append(eventsOf(arrival.value, backupFact(pending, judge.of(pending))));
    });
    judged();
  }
}

function eventsOf({ verified, level, reasons, archive }: ArrivalReport, backup: BackupFact): EventDraft[] {
  const actor = { kind: "relay" as const };
  if (level !== null && archive) return [{ type: "backup.verified", data: { backup, level, archive, actor } }];
  return verified === "suspect" ? [{ type: "backup.suspect", data: { backup, archive, reasons, actor } }] : [];
}
