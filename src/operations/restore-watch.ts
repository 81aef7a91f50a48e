import { pastOrUnknown } from "../base/clock.ts";
import { isAway } from "../upstream/fault.ts";
import type { Cause } from "../upstream/server-cause.ts";
import type { RestoreData, RestoreEnd } from "./restore-data.ts";
import { downtime, type Probe, restoreOutcome } from "./restore-outcome.ts";
import type { Work } from "./work.ts";

/** Outages are 20 to 2,500 ms: looking more often would only disturb the server. */
const FIRST_LOOKS_MS = 300;
const LOOKS_MS = 1_000;
const QUICK_UNTIL_MS = 6_000;
/** How long the server's log is read for the reason of a failure that is certain. */
const REASON_MS = 10_000;
/** Probes kept for judging the outcome: it needs the newest, and when the present state began. */
const KEPT = 2_000;

/** Watches the server from the request on until evidence decides what became of the restore. */
export async function watchRestore(work: Work<RestoreData>, data: RestoreData): Promise<RestoreEnd> {
  let { sentAt } = data;
  const probes: Probe[] = [];
  let triedPrevious = false;
  for (;;) {
    // When it was sent is not known any more once a clock that ran ahead was set back: the watch begins anew then.
    sentAt = pastOrUnknown(sentAt, work.clock()) ?? work.clock();
    const probe = await look(work, { ...data, sentAt });
    probes.push(probe);
    if (probes.length > KEPT) probes.splice(1, 1);
    if (probe.server === "guest" && !triedPrevious) {
      const tried = await work.tryPreviousCredential();
      triedPrevious = tried !== "unseen";
      if (typeof tried === "object") {
        Object.assign(work, tried);
        continue;
      }
    }
    const watched = { sentAt, tokenWouldLive: work.credential.lasts };
    const outcome = restoreOutcome(watched, probes, work.clock());
    if (outcome.state !== "watching") {
      const downtimeMs = downtime(probes, work.clock());
      if (outcome.state === "succeeded" && (await othersRestored(work, { ...data, sentAt })))
        return { outcome: { state: "unknown", because: "contended" }, downtimeMs };
      if (outcome.state !== "failed" || outcome.cause !== null) return { outcome, downtimeMs };
      return { outcome: { ...outcome, cause: await causeOf(work, { ...data, sentAt }) }, downtimeMs };
    }
    await work.sleep(work.clock() - sentAt < QUICK_UNTIL_MS ? FIRST_LOOKS_MS : LOOKS_MS);
  }
}

/** Health is read last: a missing canary is evidence only while it shows a superuser. */
async function look(work: Work<RestoreData>, data: RestoreData): Promise<Probe> {
  const { canary } = data;
  const { api } = work;
  const record = canary?.kind === "record" ? await api.canaryPresent(canary.id) : null;
  // Only while the own one is there: what comes after it finds the restored data.
  const others = record?.ok && record.value ? await api.canaries() : null;
  const row = canary?.kind === "log_row" ? await api.logRowPresent(canary.id) : null;
  const failures = canary === null ? await api.restoreFailures(loggedSince(data)) : null;
  const health = await api.health();
  return {
    at: work.clock(),
    server: health.ok
      ? "superuser"
      : health.error.unauthorized
        ? "guest"
        : isAway(health.error.problem)
          ? "down"
          : "refused",
    idle: health.ok ? health.value.idle : null,
    canary: record?.ok ? record.value : null,
    contended: others?.ok ? others.value.some(({ foreign }) => foreign) : false,
    logRow: row?.ok ? row.value : null,
    failure: failures?.ok ? (failures.value.find(({ key }) => key === work.operation.target.key)?.cause ?? null) : null,
  };
}

/** The row of a restore that happened is gone with the data it was in: one that is there is another's. */
async function othersRestored(work: Work<RestoreData>, data: RestoreData): Promise<boolean> {
  const accepted = await work.api.restoresAccepted(loggedSince(data));
  return accepted.ok && accepted.value > 0;
}

/** By the server's clock, whose `Date` header says whole seconds. */
const loggedSince = ({ sentAt, skewMs }: RestoreData): number => (sentAt ?? 0) + (skewMs ?? 0) - 2_000;

/** A row shows up 3 s after the last logged request, so only the log itself is requested meanwhile. */
async function causeOf(work: Work<RestoreData>, data: RestoreData): Promise<Cause | null> {
  const until = work.clock() + REASON_MS;
  while (work.clock() < until) {
    await work.sleep(1_000);
    const failures = await work.api.restoreFailures(loggedSince(data));
    const own = failures.ok ? failures.value.find(({ key }) => key === work.operation.target.key) : undefined;
    if (own) return own.cause;
  }
  return null;
}
