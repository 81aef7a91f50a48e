import fc from "fast-check";
import { expect, it } from "vitest";
import { utf8 } from "../../src/base/encoding.ts";
import {
  type ChainCheck,
  chainEvent,
  checkNext,
  EMPTY_LEDGER,
  endCheck,
  eventDigest,
  type Head,
  type StoredEvent,
  startCheck,
} from "../../src/ledger/chain.ts";
import type { EventDraft } from "../../src/ledger/event.ts";
import { eventKinds } from "../../src/ledger/event-kinds.ts";
import { exampleEvent } from "../../src/ledger/event-types.ts";
import { EVENT_BYTES } from "../../src/ledger/fit.ts";
import { readableText } from "../../src/ledger/reader.ts";

const relay = { kind: "relay" as const };
const created = (key: string): EventDraft => ({
  type: "backup.created",
  data: { backup: { key, size: 1, modified: "2026-11-22T10:00:00.000Z" }, actor: relay },
});

function ledgerOf(drafts: EventDraft[], head: Head = EMPTY_LEDGER) {
  const events: StoredEvent[] = [];
  let end = head;
  for (const draft of drafts) {
    const next = chainEvent(end, draft, {
      id: `evt_${end.seq + 1}`,
      at: 1_700_000_000_000 + end.seq,
      instance: "acme",
    });
    events.push(next.event);
    end = next.head;
  }
  return { texts: events.map((event) => event.text), events, head: end };
}

/** The whole check at once. */
function verifyChain(texts: Iterable<string>, head: Head): ChainCheck {
  let check = startCheck();
  for (const text of texts) {
    const next = checkNext(check, text);
    if (typeof next === "number") return { ok: false, from: check.from ?? next, to: check.head.seq, brokenAt: next };
    check = next;
  }
  return endCheck(check, head);
}

it("writes each event with the next seq and the digest of the text before", () => {
  const { texts, events, head } = ledgerOf([created("a.zip"), created("é 日本\u0000\ud800.zip")]);
  const [first, second] = texts.map((text) => JSON.parse(text));
  expect(Object.keys(first)).toEqual(["id", "seq", "type", "timestamp", "instance", "prev", "data"]);
  expect(first).toMatchObject({
    seq: 1,
    prev: "0".repeat(64),
    timestamp: "2023-11-14T22:13:20.000Z",
    instance: "acme",
  });
  expect(second).toMatchObject({ seq: 2, prev: eventDigest(texts[0]!) });
  expect(events[1]).toMatchObject({ seq: 2, id: "evt_2", type: "backup.created" });
  expect(head).toEqual({ seq: 2, digest: eventDigest(texts[1]!) });
});

it("digests the bytes that a receiver gets", async () => {
  const text = ledgerOf([created("é 日本.zip")]).texts[0]!;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(text)));
  expect(eventDigest(text)).toBe([...digest].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
});

it("verifies a sound chain and finds the first place where any other is broken", () => {
  const four = ledgerOf(["a", "b", "c", "d"].map(created));
  expect(verifyChain(four.texts, four.head)).toEqual({ ok: true, from: 1, to: 4, head: four.head.digest });
  expect(verifyChain([], EMPTY_LEDGER)).toMatchObject({ ok: true, to: 0 });
  const broken = (texts: string[], head = four.head) => {
    const verdict = verifyChain(texts, head);
    return verdict.ok ? null : verdict.brokenAt;
  };
  const [a, b, c, d] = four.texts as [string, string, string, string];
  expect(broken([a, b.replace('"size":1', '"size":2'), c, d])).toBe(3);
  expect(broken([a, b.replace('"size":1', '"size": 1'), c, d]), "the bytes count, not the meaning").toBe(3);
  expect(broken([a, c, d])).toBe(2);
  expect(broken([a, b, b, c, d])).toBe(3);
  expect(broken([a, c, b, d])).toBe(2);
  expect(broken([a, b, c])).toBe(4);
  expect(broken([a, b, c, d.replace('"size":1', '"size":2')])).toBe(4);
  expect(broken([b, c, d]), "a beginning that nobody removed").toBe(2);
  expect(broken([a, "{}", c, d])).toBe(2);
  expect(broken([a, "not json", c, d])).toBe(2);
});

it("finds any change of any byte", () => {
  const { texts, head } = ledgerOf(["a", "b", "c"].map(created));
  fc.assert(
    fc.property(fc.nat(2), fc.nat(), fc.integer({ min: 32, max: 126 }), (which, where, code) => {
      const text = texts[which]!;
      const at = where % text.length;
      const forged = [...texts];
      forged[which] = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
      expect(verifyChain(forged, head).ok).toBe(forged[which] === text);
    }),
  );
});

it("proves a cut by the event that tells of it, and no other cut", () => {
  const start = ledgerOf(["a", "b", "c", "d"].map(created));
  const cut = (through: number, digest: string): EventDraft => ({
    type: "ledger.cut",
    data: { from: 1, through, digest, actor: relay },
  });
  const after = ledgerOf([cut(2, eventDigest(start.texts[1]!)), created("e")], start.head);
  const kept = [...start.texts.slice(2), ...after.texts];
  expect(verifyChain(kept, after.head)).toMatchObject({ ok: true, from: 3, to: 6 });
  expect(verifyChain(kept.slice(1), after.head), "one more removed than told").toMatchObject({
    ok: false,
    brokenAt: 4,
  });
  expect(verifyChain([...start.texts, ...after.texts], after.head), "told and not yet done").toMatchObject({
    ok: true,
  });
  const lying = ledgerOf([cut(2, eventDigest("something else"))], start.head);
  expect(verifyChain([...start.texts.slice(2), ...lying.texts], lying.head)).toMatchObject({ ok: false, brokenAt: 3 });
  const all = ledgerOf([cut(4, start.head.digest)], start.head);
  expect(verifyChain(all.texts, all.head), "everything but the telling").toMatchObject({ ok: true, from: 5, to: 5 });
});

it("keeps every event under 20 kB, and cuts only what is too long", () => {
  const key = `${"é".repeat(500)}.zip`;
  expect(JSON.parse(ledgerOf([created(key)]).texts[0]!).data.backup.key).toBe(key);
  const fault = fc.record({ code: fc.string(), message: fc.string({ unit: "binary", maxLength: 30_000 }) });
  fc.assert(
    fc.property(
      fc.array(fault, { minLength: 1, maxLength: 60 }),
      fc.string({ unit: "binary", maxLength: 2_000 }),
      (faults, name) => {
        const draft: EventDraft = {
          type: "backup.suspect",
          data: { backup: { key: name, size: 1, modified: null }, archive: null, reasons: faults, actor: relay },
        };
        const { texts, head } = ledgerOf([created("a"), draft]);
        expect(utf8(texts[1]!).length).toBeLessThan(EVENT_BYTES);
        expect(verifyChain(texts, head).ok).toBe(true);
      },
    ),
    { numRuns: 25 },
  );
});

it("gives a reader of everything the stored bytes, and a limited one nothing about other backups", () => {
  const stored = (draft: EventDraft) => ledgerOf([draft]).texts[0]!;
  const mine = { everything: false as const, admits: (key: string) => key.startsWith("acme_") };
  const other = { everything: false as const, admits: (key: string) => key.startsWith("other_") };
  const text = stored({ type: "backup.created", data: eventKinds["backup.created"].example });
  expect(readableText(text, { everything: true })).toBe(text);
  expect(readableText(text, other)).toBeNull();
  const read = JSON.parse(readableText(text, mine)!);
  const { stats, ...data } = JSON.parse(text).data;
  expect(stats).toBeDefined();
  expect(read).toEqual({ ...JSON.parse(text), data });
  const restored = JSON.parse(readableText(JSON.stringify(exampleEvent("restore.completed")), mine)!);
  expect(restored.data.safetyBackup, "a name outside the patterns").toBeNull();
  const overdue = JSON.parse(readableText(JSON.stringify(exampleEvent("backup.overdue")), other)!);
  expect(overdue.data).toMatchObject({ newest: null, newestAgeSeconds: null, reminderDays: 0 });
  for (const type of ["instance.store_changed", "backup.failed", "approval.requested", "restore.unknown"] as const)
    expect(readableText(JSON.stringify(exampleEvent(type)), other), type).toBeNull();
  expect(readableText(JSON.stringify(exampleEvent("instance.unreachable")), other)).not.toBeNull();
});
