import { isoTime, pastOrUnknown } from "../base/clock.ts";
import type { Problem } from "../base/problem.ts";
import { problems } from "../base/problems.ts";
import type { Fault } from "../ledger/catalogue/shapes.ts";
import type { EventDraft } from "../ledger/event.ts";

/** What the latest looks say about the server. Times are ms since the epoch. */
export type Reachability = {
  /** What the ledger announced last. */
  announced: "reachable" | "unreachable" | "unauthorized";
  /** The first of the looks that failed in a row. */
  failingSince: number | null;
  failedLooks: number;
};

export const REACHABLE: Reachability = { announced: "reachable", failingSince: null, failedLooks: 0 };

/** So many failed looks in a row, over at least so long, before a server is called unreachable. */
const FAILED_LOOKS = 3;
const FAILED_MS = 60_000;

export const eventFault = ({ code, message, hint }: Problem): Fault => ({
  code,
  message: message ?? problems[code].message,
  hint: hint ?? problems[code].hint,
});

/** A look that was answered. */
export function lookSucceeded(before: Reachability, at: number): { after: Reachability; drafts: EventDraft[] } {
  if (before.announced !== "unreachable") return { after: REACHABLE, drafts: [] };
  const since = pastOrUnknown(before.failingSince, at) ?? at;
  const downSeconds = Math.max(0, Math.round((at - since) / 1000));
  const data = { since: isoTime(since), downSeconds, actor: { kind: "relay" as const } };
  return { after: REACHABLE, drafts: [{ type: "instance.reachable", data }] };
}

/** The newest restore that was sent to the server since it last took the credential. */
export type LastRestore = { operation: string; key: string };

/** After a restore the server has the superusers of the backup: that is the cause to look for, and the way out. */
function lockedOut(error: ReturnType<typeof eventFault>, restore: LastRestore | null): EventDraft {
  const actor = { kind: "relay" as const };
  if (restore === null) return { type: "instance.unauthorized", data: { error, actor } };
  const hint =
    "A restore was sent just before: the server has the superusers and passwords of the backup now. Give the instance a superuser of that time: PATCH /v1/instances/{name} with its credential.";
  return { type: "instance.unauthorized", data: { error: { ...error, hint }, restore, actor } };
}

/** A look that was not answered, or answered that the credential is refused. */
export function lookFailed(
  before: Reachability,
  failure: { problem: Problem; unauthorized: boolean },
  at: number,
  lastRestore: () => LastRestore | null,
): { after: Reachability; drafts: EventDraft[] } {
  const error = eventFault(failure.problem);
  const actor = { kind: "relay" as const };
  if (failure.unauthorized) {
    const after: Reachability = { announced: "unauthorized", failingSince: before.failingSince, failedLooks: 0 };
    return {
      after,
      drafts: before.announced === "unauthorized" ? [] : [lockedOut(error, lastRestore())],
    };
  }
  const failingSince = pastOrUnknown(before.failingSince, at) ?? at;
  const failedLooks = before.failedLooks + 1;
  const enough = failedLooks >= FAILED_LOOKS && at - failingSince >= FAILED_MS;
  if (before.announced !== "reachable" || !enough)
    return { after: { announced: before.announced, failingSince, failedLooks }, drafts: [] };
  const data = { since: isoTime(failingSince), failedLooks, error, actor };
  return {
    after: { announced: "unreachable", failingSince, failedLooks },
    drafts: [{ type: "instance.unreachable", data }],
  };
}
