import type { Clock } from "../../base/clock.ts";
import { type Random, randomBase62 } from "../../base/random.ts";
import {
  type ChainCheck,
  chainEvent,
  checkNext,
  EMPTY_LEDGER,
  endCheck,
  eventDigest,
  type Head,
  startCheck,
} from "../../ledger/chain.ts";
import type { EventDraft } from "../../ledger/event.ts";
import { type EventReader, readableText } from "../../ledger/reader.ts";
import { matchesType } from "../../ledger/type-pattern.ts";
import type { FeedEvent, FeedPage } from "../../webhooks/feed.ts";

export type EventPage = { texts: string[]; nextAfter: number; head: number };

/** Events kept; when a fifth more has gathered the oldest are cut, and a `ledger.cut` proves what was removed. */
export const KEPT_EVENTS = 20_000;
const CUT_AT = KEPT_EVENTS * 1.2;
/** Rows looked at for one page, so that a narrow filter does not read the whole ledger in one turn. */
const SCANNED = 5_000;

type Row = { seq: number; type: string; text: string };

/**
 * The instance's append-only list of facts. Append inside the transaction that stores what the facts were derived from:
 * then none is announced twice and none is lost.
 */
export class Ledger {
  private readonly sql: SqlStorage;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly instance: () => string;
  private last: Head | null = null;
  /**
   * Called in the turn of every append. Events may leave only after that turn: until then its transaction can be rolled
   * back.
   */
  onAppend: () => void = () => undefined;

  constructor(sql: SqlStorage, clock: Clock, random: Random, instance: () => string) {
    this.sql = sql;
    this.clock = clock;
    this.random = random;
    this.instance = instance;
  }

  get head(): Head {
    if (this.last) return this.last;
    const row = this.sql.exec<Row>("SELECT seq, type, text FROM events ORDER BY seq DESC LIMIT 1").toArray()[0];
    this.last = row ? { seq: row.seq, digest: eventDigest(row.text) } : EMPTY_LEDGER;
    return this.last;
  }

  append(drafts: readonly EventDraft[]): void {
    for (const draft of drafts) this.write(draft);
    if (drafts.length === 0) return;
    const first = this.sql.exec<{ seq: number }>("SELECT min(seq) AS seq FROM events").one().seq;
    if (this.head.seq - first + 1 > CUT_AT) this.cut(first, this.head.seq - KEPT_EVENTS);
    this.onAppend();
  }

  /** To be called when a transaction that appended was rolled back. */
  forget(): void {
    this.last = null;
  }

  /** Events after `after` that match, oldest first. `nextAfter` goes on where this page ended, match or not. */
  read(after: number, limit: number, types: readonly string[], reader: EventReader): EventPage {
    const texts: string[] = [];
    let nextAfter = after;
    for (const row of this.sql.exec<Row>(
      "SELECT seq, type, text FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
      after,
      SCANNED,
    )) {
      nextAfter = row.seq;
      if (!matchesType(types, row.type)) continue;
      const text = readableText(row.text, reader);
      if (text !== null) texts.push(text);
      if (texts.length >= limit) break;
    }
    return { texts, nextAfter, head: this.head.seq };
  }

  /** The same events for a webhook endpoint. A `limit` of 0 reads nothing and only says where the ledger ends. */
  feed(after: number, limit: number, types: readonly string[], reader: EventReader): FeedPage {
    const events: FeedEvent[] = [];
    const head = this.head.seq;
    let nextAfter = after;
    if (limit > 0 && after < head)
      for (const { seq, id, type, text: stored } of this.sql.exec<FeedEvent>(
        "SELECT seq, id, type, text FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
        after,
        SCANNED,
      )) {
        nextAfter = seq;
        if (!matchesType(types, type)) continue;
        const text = readableText(stored, reader);
        if (text !== null) events.push({ seq, id, type, text });
        if (events.length >= limit) break;
      }
    return { after, events, nextAfter, head };
  }

  /**
   * Single events as this reader may have them; those that are not kept any more, or that the reader may not see, are
   * left out.
   */
  pick(seqs: readonly number[], reader: EventReader): FeedEvent[] {
    return seqs.flatMap((seq) => {
      const [row] = this.sql.exec<FeedEvent>("SELECT seq, id, type, text FROM events WHERE seq = ?", seq).toArray();
      const text = row ? readableText(row.text, reader) : null;
      return row && text !== null ? [{ ...row, text }] : [];
    });
  }

  /** Null when there is no such event (any more). Ids carry no index: this reads the whole ledger. */
  seqOf(id: string): number | null {
    return this.sql.exec<{ seq: number }>("SELECT seq FROM events WHERE id = ?", id).toArray()[0]?.seq ?? null;
  }

  /** The `seq` before the first event observed at or after `at` (ms); the head when there is none. */
  before(at: number): number {
    const [row] = this.sql
      .exec<{ seq: number }>("SELECT seq FROM events WHERE at >= ? ORDER BY seq LIMIT 1", at)
      .toArray();
    return row ? row.seq - 1 : this.head.seq;
  }

  verify(): ChainCheck {
    let check = startCheck();
    for (const row of this.sql.exec<Row>("SELECT seq, type, text FROM events ORDER BY seq")) {
      const next = checkNext(check, row.text);
      if (typeof next === "number") return { ok: false, from: check.from ?? next, to: check.head.seq, brokenAt: next };
      check = next;
    }
    return endCheck(check, this.head);
  }

  private write(draft: EventDraft): void {
    const at = this.clock();
    const id = `evt_${at.toString(36).padStart(9, "0")}${randomBase62(this.random, 10)}`;
    const { event, head } = chainEvent(this.head, draft, { id, at, instance: this.instance() });
    this.sql.exec(
      "INSERT INTO events (seq, id, type, at, text) VALUES (?, ?, ?, ?, ?)",
      event.seq,
      event.id,
      event.type,
      at,
      event.text,
    );
    this.last = head;
  }

  private cut(from: number, through: number): void {
    const lastRemoved = this.sql.exec<Row>("SELECT seq, type, text FROM events WHERE seq = ?", through).one();
    this.write({
      type: "ledger.cut",
      data: { from, through, digest: eventDigest(lastRemoved.text), actor: { kind: "relay" } },
    });
    this.sql.exec("DELETE FROM events WHERE seq <= ?", through);
  }
}
