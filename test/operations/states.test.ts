import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { problem } from "../../src/base/problem.ts";
import { ok } from "../../src/base/result.ts";
import {
  APPROVAL_SECONDS,
  hasExpired,
  MAX_PENDING,
  mayDecide,
  requestApproval,
  stillBound,
} from "../../src/operations/approval.ts";
import { idempotency, type Remembered, readIdempotencyKey } from "../../src/operations/idempotency.ts";
import { type Binding, isFinal, type Operation, type OperationState } from "../../src/operations/operation.ts";
import { MAX_QUEUED, nextToRun, placeInQueue, queueRefusal } from "../../src/operations/queue.ts";
import type { Restore, RestoreData } from "../../src/operations/restore-data.ts";
import { applied, firstState, type OperationEvent, transitions } from "../../src/operations/states.ts";
import { nextStep, restoreSteps } from "../../src/operations/steps.ts";
import { undoable } from "../../src/operations/undo.ts";
import { operation } from "../harness/operation.ts";

const NOW = Date.parse("2026-11-22T10:00:00Z");
const HOUR = 3_600_000;

const waiting = (changes: Partial<Operation> = {}) =>
  operation({
    state: "awaiting_approval",
    approval: { expires: NOW + 900_000, decidedBy: null, decidedAt: null },
    ...changes,
  });

const codeOf = (result: { ok: boolean; error?: { code: string } }) => (result.ok ? "ok" : result.error!.code);

describe("states", () => {
  it("begin in line, or with the wait for an approval", () => {
    expect(firstState(false)).toBe("queued");
    expect(firstState(true)).toBe("awaiting_approval");
  });

  it("go from request to outcome, with the times and the one who decided", () => {
    const granted = applied(waiting(), { type: "granted", by: "bob", at: NOW + 1 });
    expect(granted).toMatchObject({
      ok: true,
      value: { state: "queued", finished: null, approval: { decidedBy: "bob", decidedAt: NOW + 1 } },
    });
    const started = applied(operation(), { type: "started", at: NOW + 2 });
    expect(started).toMatchObject({ ok: true, value: { state: "running", started: NOW + 2, finished: null } });
    const running = operation({ state: "running", started: NOW });
    const done = applied(running, { type: "ended", ending: { state: "succeeded", result: { a: 1 } }, at: NOW + 3 });
    expect(done).toMatchObject({
      ok: true,
      value: { state: "succeeded", finished: NOW + 3, error: null, result: { a: 1 } },
    });
    const ending = { state: "unknown" as const, error: problem("restore_unknown") };
    const lost = applied(running, { type: "ended", ending, at: NOW });
    expect(lost).toMatchObject({
      ok: true,
      value: { state: "unknown", error: { code: "restore_unknown" }, result: null },
    });
  });

  it("end without anything done when denied, expired or canceled, and say why", () => {
    const denied = applied(waiting(), { type: "denied", by: "bob", at: NOW });
    expect(denied).toMatchObject({
      ok: true,
      value: { state: "denied", finished: NOW, error: { code: "approval_denied" } },
    });
    const expired = applied(waiting(), { type: "expired", at: NOW });
    expect(expired).toMatchObject({ ok: true, value: { state: "expired", error: { code: "approval_expired" } } });
    for (const before of [waiting(), operation(), operation({ state: "running" })]) {
      const canceled = applied(before, { type: "canceled", at: NOW, error: null });
      expect(canceled).toMatchObject({ ok: true, value: { state: "canceled", finished: NOW, error: null } });
    }
  });

  it("cannot be canceled once the request is sent, and canceling twice changes nothing", () => {
    const steps = [{ name: "sent", state: "running" as const, at: NOW }];
    const sent = operation({ state: "running", steps });
    expect(codeOf(applied(sent, { type: "canceled", at: NOW, error: null }))).toBe("operation_not_cancelable");
    const canceled = operation({ state: "canceled", finished: NOW - 5 });
    expect(applied(canceled, { type: "canceled", at: NOW, error: null })).toEqual({ ok: true, value: canceled });
  });

  it("are final when they have ended", () => {
    for (const state of ["succeeded", "failed", "unknown", "denied", "expired"] as const) {
      expect(codeOf(applied(operation({ state }), { type: "canceled", at: NOW, error: null }))).toBe("operation_final");
      expect(codeOf(applied(operation({ state }), { type: "granted", by: "bob", at: NOW }))).toBe("operation_final");
    }
  });

  it("take a decision only while they wait for one", () => {
    for (const type of ["granted", "denied"] as const) {
      expect(codeOf(applied(operation(), { type, by: "bob", at: NOW }))).toBe("approval_not_pending");
    }
    expect(codeOf(applied(operation({ state: "running" }), { type: "expired", at: NOW }))).toBe("approval_not_pending");
  });

  it("never leave the allowed transitions, and end at most once, whatever happens to them", () => {
    const endings = fc.constantFrom<OperationEvent>(
      { type: "ended", ending: { state: "succeeded", result: {} }, at: NOW },
      { type: "ended", ending: { state: "failed", error: problem("internal") }, at: NOW },
      { type: "ended", ending: { state: "unknown", error: problem("internal") }, at: NOW },
    );
    const others = fc.constantFrom<OperationEvent>(
      { type: "granted", by: "bob", at: NOW },
      { type: "denied", by: "bob", at: NOW },
      { type: "expired", at: NOW },
      { type: "canceled", at: NOW, error: null },
      { type: "started", at: NOW },
    );
    fc.assert(
      fc.property(fc.boolean(), fc.array(fc.oneof(endings, others), { maxLength: 12 }), (approval, events) => {
        let current = approval ? waiting() : operation();
        let ended: OperationState | null = null;
        for (const event of events) {
          const next = applied(current, event);
          if (!next.ok) continue;
          if (next.value !== current) expect(transitions[current.state]).toContain(next.value.state);
          expect(isFinal(next.value)).toBe(next.value.finished !== null);
          current = next.value;
          if (isFinal(current)) ended ??= current.state;
          expect(ended ?? current.state).toBe(current.state);
        }
      }),
    );
  });
});

describe("steps", () => {
  it("of a restore: preflight, safety backup, confirmation, canary, request, watch, cleanup", () => {
    const names = restoreSteps(true).map(({ name }) => name);
    expect(names).toEqual(["preflight", "safety", "confirm", "canary", "sent", "watch", "cleanup"]);
    const unsafe = restoreSteps(false).map(({ name }) => name);
    expect(unsafe).not.toContain("safety");
  });

  it("go on after a kill by looking where something may have been sent, else by repeating", () => {
    const plan = restoreSteps(true);
    const at = (name: string) => {
      const before = plan.slice(
        0,
        plan.findIndex((step) => step.name === name),
      );
      const done = before.map((step) => ({ name: step.name, state: "done" as const, at: NOW }));
      return nextStep([...done, { name, state: "running", at: NOW }], plan)?.how;
    };
    expect(["preflight", "safety", "confirm", "canary", "sent", "watch", "cleanup"].map(at)).toEqual([
      "repeat",
      "look",
      "repeat",
      "look",
      "look",
      "repeat",
      "repeat",
    ]);
  });

  it("stop at a failed one", () => {
    expect(nextStep([{ name: "preflight", state: "failed", at: NOW }], restoreSteps(true))).toBeNull();
  });

  it("are each sent to the server at most once, in order, however often the relay is killed", () => {
    const fates = fc.array(fc.constantFrom("killed before", "killed after", "finished"), { maxLength: 40 });
    fc.assert(
      fc.property(fc.boolean(), fates, (safetyBackup, fates) => {
        const steps: Operation["steps"] = [];
        const sent: string[] = [];
        const all = restoreSteps(safetyBackup);
        for (const fate of fates) {
          const next = nextStep(steps, all);
          if (!next) break;
          steps.push({ name: next.name, state: "running", at: NOW });
          if (fate === "killed before") continue;
          if (next.how === "do") sent.push(next.name);
          if (fate === "finished") steps.push({ name: next.name, state: "done", at: NOW });
        }
        expect(sent).toEqual([...new Set(sent)]);
        const order = all.map(({ name }) => name);
        expect(sent.map((name) => order.indexOf(name))).toEqual(
          sent.map((name) => order.indexOf(name)).toSorted((a, b) => a - b),
        );
      }),
    );
  });
});

describe("the queue", () => {
  const queued = (id: string, requested: number, state: OperationState = "queued") =>
    operation({ id, requested, state });

  it("starts one at a time, in the order of the requests", () => {
    const line = [queued("op_c", 3), queued("op_a", 1), queued("op_b", 1), queued("op_w", 0, "awaiting_approval")];
    expect(nextToRun(line)?.id).toBe("op_a");
    expect(nextToRun([...line, queued("op_r", 0, "running")])).toBeNull();
    expect(nextToRun([])).toBeNull();
    expect(line.map(({ id }) => placeInQueue(line, id))).toEqual([2, 0, 1, null]);
    expect(placeInQueue([...line, queued("op_r", 9, "running")], "op_a")).toBe(1);
  });

  it("takes 20 and refuses the next with 429", () => {
    const line = Array.from({ length: MAX_QUEUED }, (_, index) => queued(`op_${index}`, index));
    const asked = { kind: "create", actor: { kind: "key" as const } };
    expect(queueRefusal(line.slice(1), asked)).toBeNull();
    expect(queueRefusal([...line.slice(1), queued("op_r", 0, "running")], asked)).toBeNull();
    expect(queueRefusal(line, asked)).toMatchObject({ code: "queue_full", retryAfterSeconds: 60 });
  });

  it("has an administrator's restore before everything that keys asked for, and always a place for one", () => {
    const line = Array.from({ length: MAX_QUEUED }, (_, index) => queued(`op_${index}`, index));
    const emergency = { ...queued("op_x", 99), kind: "restore", actor: { kind: "admin" as const } };
    const ofAKey = { ...queued("op_y", 98), kind: "restore" };
    expect(queueRefusal(line, emergency)).toBeNull();
    expect(queueRefusal(line, ofAKey)).toMatchObject({ code: "queue_full" });
    expect(nextToRun([...line, emergency, ofAKey])?.id).toBe("op_x");
    expect(placeInQueue([...line, emergency], "op_x")).toBe(0);
    expect(placeInQueue([...line, emergency, queued("op_r", 0, "running")], "op_x")).toBe(1);
  });
});

describe("an idempotency key", () => {
  const remembered: Remembered = {
    fingerprint: "f1",
    operation: "op_1",
    answer: { status: 202, body: "{}" },
    at: NOW,
  };

  it.each<[string, string | null]>([
    ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ["8e03978e-40d5", "8e03978e-40d5"],
    ['"a \\"b\\" \\\\"', 'a "b" \\'],
    ["a".repeat(255), "a".repeat(255)],
    ["a".repeat(256), null],
    ["", null],
    ['""', null],
    ['"open', null],
    ["two words", null],
    ["ümlaut", null],
  ])("%s is read as %s", (header, key) => {
    const read = readIdempotencyKey(header);
    expect(read.ok ? read.value : null).toBe(key);
  });

  it("lets the first request through, and any after 24 hours", () => {
    expect(idempotency(null, "f1", null, NOW)).toEqual({ do: "first" });
    expect(idempotency(remembered, "f2", null, NOW + 24 * HOUR)).toEqual({ do: "first" });
  });

  it("replays the stored answer to the same request once it has ended", () => {
    const ended = operation({ state: "failed" });
    expect(idempotency(remembered, "f1", ended, NOW + HOUR)).toEqual({ do: "replay", answer: remembered.answer });
    expect(idempotency(remembered, "f1", null, NOW + HOUR)).toEqual({ do: "replay", answer: remembered.answer });
  });

  it("is 409 with the operation's location while that runs, waits or is in line", () => {
    for (const state of ["running", "queued", "awaiting_approval"] as const) {
      expect(idempotency(remembered, "f1", operation({ state }), NOW)).toMatchObject({
        do: "refuse",
        problem: { code: "idempotency_running", location: "/v1/operations/op_1" },
      });
    }
  });

  it("is 422 for another request, which learns nothing about the first", () => {
    expect(idempotency(remembered, "f2", operation({ state: "running" }), NOW)).toEqual({
      do: "refuse",
      problem: { code: "idempotency_mismatch" },
    });
  });
});

describe("an approval", () => {
  const binding: Binding = { key: "daily.zip", size: 10, modified: "2026-11-22 10:00:00.000Z", directorySha256: "ab" };

  it("is open for 15 minutes, or as the key says, up to 24 hours", () => {
    expect(requestApproval([], "ada", NOW)).toEqual({ ok: true, value: NOW + APPROVAL_SECONDS * 1000 });
    expect(requestApproval([], "ada", NOW, 60)).toEqual({ ok: true, value: NOW + 60_000 });
    expect(requestApproval([], "ada", NOW, 999_999)).toEqual({ ok: true, value: NOW + 24 * HOUR });
  });

  it("can be asked for three times at once by one principal, whichever of its keys asks", () => {
    const pending = Array.from({ length: MAX_PENDING }, (_, index) =>
      waiting({ id: `op_${index}`, actor: { kind: "key", id: `k${index}`, principal: "ada" } }),
    );
    expect(codeOf(requestApproval(pending.slice(1), "ada", NOW))).toBe("ok");
    expect(codeOf(requestApproval(pending, "ada", NOW))).toBe("approvals_full");
    expect(codeOf(requestApproval(pending, "bob", NOW))).toBe("ok");
    expect(codeOf(requestApproval([operation(), ...pending.slice(1)], "ada", NOW))).toBe("ok");
  });

  it("is decided by another principal, never by the requester's own or by nobody in particular", () => {
    expect(codeOf(mayDecide(waiting(), "bob", NOW, false))).toBe("ok");
    expect(codeOf(mayDecide(waiting(), "ada", NOW, false))).toBe("approval_own");
    expect(codeOf(mayDecide(waiting(), null, NOW, false))).toBe("approval_own");
    const unnamed = waiting({ actor: { kind: "chat" } });
    expect(codeOf(mayDecide(unnamed, null, NOW, false))).toBe("approval_own");
    expect(codeOf(mayDecide(unnamed, "bob", NOW, false))).toBe("ok");
    expect(codeOf(mayDecide(operation(), "bob", NOW, false))).toBe("approval_not_pending");
  });

  it("ends to the millisecond", () => {
    const expires = waiting().approval!.expires;
    expect(hasExpired(waiting(), expires - 1)).toBe(false);
    expect(hasExpired(waiting(), expires)).toBe(true);
    expect(hasExpired(operation(), expires)).toBe(false);
    expect(codeOf(mayDecide(waiting(), "bob", expires - 1, false))).toBe("ok");
    expect(codeOf(mayDecide(waiting(), "bob", expires, false))).toBe("approval_expired");
  });

  it("holds only for the very file: key, size, time and table of contents (SECURITY 18)", () => {
    expect(codeOf(stillBound(binding, { ...binding }))).toBe("ok");
    const others: (Binding | null)[] = [
      null,
      { ...binding, key: "other.zip" },
      { ...binding, size: 11 },
      { ...binding, modified: "2026-11-22 10:00:01.000Z" },
      { ...binding, directorySha256: "cd" },
      { ...binding, directorySha256: null },
    ];
    for (const other of others) expect(codeOf(stillBound(binding, other))).toBe("approval_changed");
    const noDigest = { ...binding, directorySha256: null };
    expect(codeOf(stillBound(noDigest, noDigest))).toBe("ok");
  });
});

describe("an undo", () => {
  const safety = { key: "pre_restore_1.zip", size: 5, modified: "", directorySha256: "ab" };
  const steps = [{ name: "sent", state: "done" as const, at: NOW }];
  const restoreOf = (safety: RestoreData["safety"]): Restore => ({
    ...operation({ state: "succeeded", steps, started: NOW - 10 }),
    data: {
      safetyBackup: safety !== null,
      undoes: null,
      safetyKey: "pre_restore_1.zip",
      safety,
      nonce: "n",
      canary: null,
      sentAt: NOW,
      end: null,
    },
  });
  const restore = restoreOf(safety);

  it("restores the safety copy of the newest restore, known or unknown, for 24 hours (SECURITY 19)", () => {
    expect(undoable(restore, "op_1", ok(safety), NOW + 1)).toEqual({ ok: true, value: restore.data.safety });
    expect(codeOf(undoable({ ...restore, state: "unknown" }, "op_1", ok(safety), NOW + 24 * HOUR - 1))).toBe("ok");
  });

  it.each<[string, Restore, string, typeof safety | null, number]>([
    ["Only a restore", { ...restore, kind: "create" }, "op_1", safety, NOW],
    ["never sent", { ...restore, steps: [] }, "op_1", safety, NOW],
    ["still running", { ...restore, state: "running" }, "op_1", safety, NOW],
    ["changed nothing", { ...restore, state: "failed" }, "op_1", safety, NOW],
    ["Another restore", restore, "op_2", safety, NOW],
    ["24 hours", restore, "op_1", safety, NOW + 24 * HOUR],
    ["without a safety backup", restoreOf(null), "op_1", null, NOW],
    ["not on the server", restore, "op_1", null, NOW],
    ["not the file", restore, "op_1", { ...safety, size: 6 }, NOW],
    ["not the file", restore, "op_1", { ...safety, directorySha256: "cd" }, NOW],
  ])("is refused in words: %s", (words, restore, newest, seen, now) => {
    const refused = undoable(restore, newest, ok(seen), now);
    expect(refused).toMatchObject({ ok: false, error: { code: "undo_unavailable" } });
    expect(refused.ok || refused.error.message).toContain(words);
  });
});
