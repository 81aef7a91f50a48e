import { asOfServer } from "../archive/finding.ts";
import { inspectArchive } from "../archive/inspection.ts";
import { isoTime } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { problems } from "../base/problems.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { entryOf, type ListedBackup } from "../upstream/backups-api.ts";
import { stillBound } from "./approval.ts";
import type { CleanUp } from "./kind.ts";
import { makeBackup } from "./make-backup.ts";
import type { Ending } from "./operation.ts";
import { restorePreview } from "./preview.ts";
import { recoverySteps } from "./recovery-steps.ts";
import type { Restore, RestoreData } from "./restore-data.ts";
import { bindingOf, lookBeforeRestore, refusalOf } from "./restore-preflight.ts";
import { watchRestore } from "./restore-watch.ts";
import { nextStep, restoreSteps } from "./steps.ts";
import { UNDO_MS } from "./undo.ts";
import { CANCELED, type Work } from "./work.ts";

const LOOKS = 2;

type StepRun = (work: Work<RestoreData>, data: RestoreData, how: "do" | "repeat" | "look") => Promise<Problem | null>;

/**
 * The guarded restore: preflight, safety backup, confirm, canary, request, watch, clean-up. Each step is written down
 * before it is taken; after a kill the run goes on at the step that was not done, and what may have reached the server is
 * looked for there, never sent again.
 */
export async function runRestore(work: Work<RestoreData>): Promise<Ending> {
  const { operation } = work;
  const plan = restoreSteps(operation.data.safetyBackup);
  try {
    for (;;) {
      const { refusal } = operation.data;
      const next = nextStep(operation.steps, plan);
      if (refusal) {
        await removeCanary(work, operation.data);
        // The step `sent` says that the request may have left, so it is not written for one that was refused before.
        if (next && !(next.name === "sent" && next.how === "do")) work.step(next.name, "failed");
        return { state: "failed", error: refusal };
      }
      if (next === null) return ending(operation.data);
      const refused = await steps[next.name]!(work, operation.data, next.how);
      // Written first, so that nothing is tried again after a kill.
      if (refused) work.keep({ refusal: refused });
    }
  } catch (error) {
    // Canceled between two steps: nothing was sent, so only the canary may be left.
    if (error === CANCELED) await removeCanary(work, operation.data);
    throw error;
  }
}

const steps: { [name: string]: StepRun } = {
  async preflight(work) {
    work.step("preflight", "running");
    const { key } = work.operation.target;
    const looked = await lookBeforeRestore(work, key);
    if (!looked.ok) return looked.error;
    const refusal = refusalOf(looked.value);
    if (refusal) return refusal;
    const binding = bindingOf(looked.value.preflight)!;
    if (work.operation.binding) {
      const same = stillBound(work.operation.binding, binding);
      if (!same.ok) return same.error;
    }
    work.bind(binding, restorePreview(looked.value.preflight, work.clock()));
    work.step("preflight", "done");
    return null;
  },

  async safety(work, data, how) {
    const made = await makeBackup(work, data.safetyKey, {
      alreadySent: how === "look",
      sending: () => {
        work.expect(data.safetyKey);
        work.step("safety", "running");
      },
      sent: () => {},
    });
    const failed = (reason: Problem, what = "could not be made") =>
      problem("safety_backup_failed", {
        message: `The safety backup ${what}, so nothing was restored. ${reason.message ?? problems[reason.code].message}`,
      });
    if (!made.ok) return failed(made.error.problem);
    const { key, size, modified } = made.value;
    const inspection = await inspectArchive(work.reader({ key, size }), size);
    if (!inspection.ok) return failed(inspection.error, "was made, but could not be read to check it");
    const worst = asOfServer(inspection.value.findings).find(({ severity }) => severity === "refuse");
    const { archive } = inspection.value;
    if (worst || !archive)
      return failed(
        problem("preflight_refused", { message: worst?.message }),
        "was made, but would not bring the data back",
      );
    work.keep({ safety: { key, size, modified, directorySha256: archive.directorySha256 } });
    work.step("safety", "done", key);
    return null;
  },

  async confirm(work) {
    work.step("confirm", "running");
    const { key } = work.operation.target;
    const found = await present(work, key);
    if (!found.ok) return found.error;
    const { item, serverTime } = found.value;
    const { size, modified } = item;
    const inspection = await inspectArchive(work.reader({ key, size }), size);
    if (!inspection.ok) return inspection.error;
    const digest = inspection.value.archive?.directorySha256 ?? null;
    const same = stillBound(work.operation.binding!, { key, size, modified, directorySha256: digest });
    if (!same.ok) return same.error;
    work.keep({ skewMs: serverTime === null ? 0 : serverTime - work.clock() });
    work.step("confirm", "done");
    return null;
  },

  async canary(work, data, how) {
    work.pausePolling();
    work.step("canary", "running");
    const canary = await plant(work, data, how);
    work.keep({ canary });
    const contended = await contention(work, canary);
    if (contended) return contended;
    work.step("canary", "done", canary?.kind ?? "none");
    return null;
  },

  async sent(work, _data, how) {
    const { operation } = work;
    if (how === "do") {
      const inUse = work.may("restore", operation.target.key);
      if (inUse) return inUse;
      work.keep({ sentAt: work.clock() });
      work.step("sent", "running");
      const answer = await work.api.restore(operation.target.key);
      if (!answer.ok && !answer.error.unclear) return answer.error.problem;
      work.step("sent", "done", answer.ok ? "accepted" : "answer lost");
      if (answer.ok) work.accepted();
    } else work.step("sent", "done", "interrupted");
    return null;
  },

  async watch(work, data) {
    work.pausePolling();
    work.step("watch", "running");
    const end = await watchRestore(work, data);
    work.keep({ end });
    work.step("watch", "done", end.outcome.state);
    return null;
  },

  async cleanup(work, data) {
    if (data.end?.outcome.state === "succeeded") work.keep({ cleanedUp: true });
    else await removeCanary(work, data);
    work.step("cleanup", "done");
    return null;
  },
};

/** A record where that works; else a row in the server's log. After a kill an earlier one is looked for first. */
async function plant(work: Work<RestoreData>, { nonce }: RestoreData, how: string): Promise<RestoreData["canary"]> {
  const earlier = how === "look" ? await work.api.findCanary(nonce) : null;
  if (earlier?.ok && earlier.value) return { kind: "record", id: earlier.value.id };
  const record = await work.api.plantCanary(nonce);
  if (record.ok) return { kind: "record", id: record.value.id };
  const row = await work.api.plantLogRow(nonce, work.sleep);
  return row.ok && row.value ? { kind: "log_row", id: row.value.id } : null;
}

/**
 * Why this restore would not be alone, or null. Each relay plants its canary before it looks for others, so of two at least one
 * sees the other, and nothing was sent yet.
 */
async function contention(work: Work<RestoreData>, canary: RestoreData["canary"]): Promise<Problem | null> {
  const seen = await work.api.canaries();
  if (!seen.ok) return canary?.kind === "record" ? seen.error.problem : null;
  if (seen.value.some(({ foreign }) => foreign)) return problem("restore_contended");
  const replaced = canary?.kind === "record" && !seen.value.some(({ id }) => id === canary.id);
  return replaced
    ? problem("restore_contended", { message: "Another restore replaced the server's data just now." })
    : null;
}

/** What cannot be removed now is removed when the server can be reached again (`restoreCleanUp`). */
async function removeCanary(work: Work<RestoreData>, data: RestoreData): Promise<void> {
  for (let tries = 0; tries < 3; tries++) {
    if (await canaryIsGone(work.api, work.operation)) {
      data.cleanedUp = true;
      return;
    }
    await work.sleep(1_000);
  }
}

/**
 * Removes a canary by its nonce: a kill may have come before its id was written, and left a second one. True when none is
 * left. To a guest every record is missing, so this begins with a look whether the credential is taken.
 */
async function canaryIsGone(
  api: Pick<Work["api"], "health" | "findCanary" | "removeCanary">,
  { steps, data }: Restore,
): Promise<boolean> {
  if (data.cleanedUp || data.canary?.kind === "log_row") return true;
  if (!steps.some(({ name }) => name === "canary")) return true;
  if (!(await api.health()).ok) return false;
  for (let removed = 0; removed <= MAX_CANARIES; removed++) {
    const found = await api.findCanary(data.nonce);
    if (!found.ok) return false;
    if (found.value === null) return true;
    if (!(await api.removeCanary(found.value.id)).ok) return false;
  }
  return false;
}

/** Each kill at the step that plants it may leave one. */
const MAX_CANARIES = 10;

/** For a restore that ended while the server could not be reached, or was canceled. */
export const restoreCleanUp: CleanUp<RestoreData> = {
  isDue: ({ data }) => !data.cleanedUp,
  run: async (api, operation) => ((await canaryIsGone(api, operation)) ? { ...operation.data, cleanedUp: true } : null),
};

/** One list without it may be an old one. */
async function present(
  work: Pick<Work, "look" | "sleep">,
  key: string,
): Promise<Result<{ item: ListedBackup; serverTime: number | null }, Problem>> {
  for (let looks = 1; ; looks++) {
    const listing = await work.look();
    if (!listing.ok) return fail(listing.error.problem);
    const { items, serverTime } = listing.value;
    const entry = entryOf(items, key);
    if (!entry.ok) return entry;
    if (entry.value) return ok({ item: entry.value, serverTime });
    if (looks === LOOKS) return fail(problem("approval_changed"));
    await work.sleep(1_000);
  }
}

/** Rows show up late on a busy server, and never where logging is off. */
const NOT_LOGGED = {
  message: "The server's log showed no reason.",
  hint: "Look into the log itself: its rows come late on a busy server, and none come where logging is off.",
};

function ending({ end, safety, sentAt, safetyKey, safetyBackup }: RestoreData): Ending {
  const { outcome, downtimeMs } = end!;
  const shared = {
    evidence: "evidence" in outcome ? outcome.evidence : null,
    downtimeMs,
    safetyBackup: safety?.key ?? null,
  };
  if (outcome.state === "succeeded") {
    const undoUntil = safety && sentAt !== null ? isoTime(sentAt + UNDO_MS) : null;
    return { state: "succeeded", result: { ...shared, undoUntil } };
  }
  if (outcome.state === "failed") {
    const { message, hint } = outcome.cause ?? NOT_LOGGED;
    const whole = `The restore failed; the server kept its data. ${message}`;
    return { state: "failed", error: problem("restore_failed", { message: whole, hint }), result: shared };
  }
  const way = recoverySteps(outcome.because, safetyBackup ? safetyKey : null);
  return {
    state: "unknown",
    error: problem("restore_unknown", { message: way[0] }),
    result: { ...shared, steps: way },
  };
}
