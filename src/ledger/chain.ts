import { createHash } from "node:crypto";
import * as z from "zod";
import { isoTime } from "../base/clock.ts";
import { type EventDraft, NO_PREVIOUS } from "./event.ts";
import { fittingText } from "./fit.ts";

/** The end of a ledger: the last event's `seq`, and the SHA-256 (hex) of its stored text. */
export type Head = { seq: number; digest: string };

export const EMPTY_LEDGER: Head = { seq: 0, digest: NO_PREVIOUS };

/** SHA-256 (hex) of the text's UTF-8 bytes: what the next event names as `prev`. */
export const eventDigest = (text: string): string => createHash("sha256").update(text).digest("hex");

/** An event as it is stored, served, signed and delivered: its JSON is written once and never again. */
export type StoredEvent = { seq: number; id: string; type: string; text: string };

/**
 * The text of the next event of a ledger, and the head after it. `id` must be new and without a dot; `at` (ms) is
 * when the fact was observed. The caller writes row and head in one transaction, so a `seq` is never used twice.
 */
export function chainEvent(
  head: Head,
  draft: EventDraft,
  facts: { id: string; at: number; instance: string },
): { event: StoredEvent; head: Head } {
  const seq = head.seq + 1;
  const text = fittingText({
    id: facts.id,
    seq,
    type: draft.type,
    timestamp: isoTime(facts.at),
    instance: facts.instance,
    prev: head.digest,
    data: draft.data,
  });
  return { event: { seq, id: facts.id, type: draft.type, text }, head: { seq, digest: eventDigest(text) } };
}

/** A check under way; plain data, so that a long ledger can be read page by page. */
type ChainProgress = {
  from: number | null;
  /** What the next event must name. */
  head: Head;
  /** The end of what retention removed, as the first event left names it; null when nothing was. */
  removed: Head | null;
  /** Whether a `ledger.cut` in the chain records that removal. */
  removalRecorded: boolean;
};

/** Whether the chain holds between two `seq`s, and if not, the `seq` at which it breaks. */
export const ChainCheckSchema = z
  .object({
    ok: z.boolean(),
    from: z.number(),
    to: z.number(),
    /** The digest of the last event; only when the chain holds. */
    head: z.string().optional(),
    brokenAt: z.number().optional(),
  })
  .meta({ id: "LedgerVerdict" });
export type ChainCheck = z.infer<typeof ChainCheckSchema>;

export const startCheck = (): ChainProgress => ({
  from: null,
  head: EMPTY_LEDGER,
  removed: null,
  removalRecorded: true,
});

/** Takes the next stored text, oldest first. A number is the `seq` at which the chain is broken. */
export function checkNext(check: ChainProgress, text: string): ChainProgress | number {
  const event = parsed(text);
  const expectedSeq = check.head.seq + 1;
  const digest = eventDigest(text);
  if (check.from === null && event !== null && event.seq > 1) {
    const removed = { seq: event.seq - 1, digest: event.prev };
    return {
      from: event.seq,
      head: { seq: event.seq, digest },
      removed,
      removalRecorded: recordsRemoval(event, removed),
    };
  }
  if (event === null || event.seq !== expectedSeq || event.prev !== check.head.digest) return expectedSeq;
  return {
    ...check,
    from: check.from ?? event.seq,
    head: { seq: event.seq, digest },
    removalRecorded: check.removalRecorded || recordsRemoval(event, check.removed),
  };
}

/**
 * The result when every event was taken. `head` is the end that the ledger stored: a missing tail breaks the
 * chain too. A missing beginning is valid only when a later `ledger.cut` names the last event removed and its digest.
 */
export function endCheck(check: ChainProgress, head: Head): ChainCheck {
  const from = check.from ?? 1;
  const to = check.head.seq;
  if (!check.removalRecorded) return { ok: false, from, to, brokenAt: from };
  if (to < head.seq) return { ok: false, from, to, brokenAt: to + 1 };
  if (to !== head.seq || check.head.digest !== head.digest) return { ok: false, from, to, brokenAt: to };
  return { ok: true, from, to, head: check.head.digest };
}

type Link = { seq: number; prev: string; type: unknown; data: unknown };

function parsed(text: string): Link | null {
  try {
    const event = JSON.parse(text) as Link | null;
    return Number.isSafeInteger(event?.seq) && typeof event?.prev === "string" ? event : null;
  } catch {
    return null;
  }
}

function recordsRemoval(event: Link, removed: Head | null): boolean {
  if (removed === null || event.type !== "ledger.cut") return false;
  const { through, digest } = (event.data ?? {}) as { through?: unknown; digest?: unknown };
  return through === removed.seq && digest === removed.digest;
}
