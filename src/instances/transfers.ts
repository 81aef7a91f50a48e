import type { Clock } from "../base/clock.ts";
import { type Random, randomBase62 } from "../base/random.ts";

type Transfer = { key: string; range: string | null; startedAt: number; auditRow: number };
type Reservation = { name: string; size: number | null; startedAt: number; auditRow: number | null };

/** Longer than any transfer can take; what is older lost its Worker without a word. */
const FORGOTTEN_MS = 6 * 3_600_000;

/**
 * The transfers under way, in memory: bytes never come here, only their beginnings and ends. After a restart of the object
 * a heal is judged as a new opening, and a reservation is gone, so its upload ends without the last boundary.
 */
export class Transfers {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly transfers = new Map<string, Transfer>();
  private readonly reservations = new Map<string, Reservation>();

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  begin(key: string, range: string | null, auditRow: number): string {
    this.sweep();
    const id = randomBase62(this.random, 16);
    this.transfers.set(id, { key, range, startedAt: this.clock(), auditRow });
    return id;
  }

  startedAt(id: string): number | null {
    return this.transfers.get(id)?.startedAt ?? null;
  }

  transfer(id: string): Transfer | null {
    return this.transfers.get(id) ?? null;
  }

  end(id: string): Transfer | null {
    const transfer = this.transfers.get(id) ?? null;
    this.transfers.delete(id);
    return transfer;
  }

  /** Null when another upload holds the name. */
  reserve(name: string, size: number | null, auditRow: number | null): string | null {
    this.sweep();
    if (this.holds(name)) return null;
    const id = randomBase62(this.random, 16);
    this.reservations.set(id, { name, size, startedAt: this.clock(), auditRow });
    return id;
  }

  holds(name: string): boolean {
    return [...this.reservations.values()].some((reservation) => reservation.name === name);
  }

  reservation(id: string): Reservation | null {
    return this.reservations.get(id) ?? null;
  }

  release(id: string): Reservation | null {
    const reservation = this.reservations.get(id) ?? null;
    this.reservations.delete(id);
    return reservation;
  }

  private sweep(): void {
    const before = this.clock() - FORGOTTEN_MS;
    for (const all of [this.transfers, this.reservations])
      for (const [id, { startedAt }] of all) if (startedAt < before) all.delete(id);
  }
}
