import type { RestoreFailureReason } from "../upstream/restore-evidence.ts";
import type { RestoreData, RestoreOutcome } from "./operation.ts";
import { downtime, restoreVerdict, type Sighting } from "./restore-outcome.ts";
import type { Work } from "./work.ts";

/** Outages are 20 to 2,500 ms: looking more often would only disturb the server. */
const FIRST_LOOKS_MS = 300;
const LOOKS_MS = 1_000;
const QUICK_UNTIL_MS = 6_000;
/** How long the server's log is asked for the reason of a failure that is already certain. */
const REASON_MS = 10_000;
/** Sightings kept for the verdict: it needs the newest, and when the present state began. */
const KEPT = 2_000;

/** Watches the server from the request on until evidence decides what became of the restore. */
export async function watchRestore(work: Work, data: RestoreData): Promise<RestoreOutcome> {
  const sentAt = data.sentAt ?? work.clock();
  const watched = { sentAt, bosbase: data.bosbase, tokenWouldLive: work.credential.lasts };
  const sightings: Sighting[] = [];
  let triedPrevious = false;
  for (;;) {
    const sighting = await look(work, data);
    sightings.push(sighting);
    if (sightings.length > KEPT) sightings.splice(1, 1);
    if (sighting.server === "guest" && !triedPrevious) {
      triedPrevious = true;
      const reach = await work.tryPreviousCredential();
      if (reach) {
        Object.assign(work, reach);
        continue;
      }
    }
    const verdict = restoreVerdict(watched, sightings, work.clock());
    if (verdict.state !== "watching") {
      const downtimeMs = downtime(sightings, work.clock());
      if (verdict.state !== "failed" || verdict.reason !== null) return { verdict, downtimeMs };
      return { verdict: { ...verdict, reason: await reasonOf(work, data) }, downtimeMs };
    }
    await work.sleep(work.clock() - sentAt < QUICK_UNTIL_MS ? FIRST_LOOKS_MS : LOOKS_MS);
  }
}

/** Health is asked last: only while it shows a superuser does a missing canary mean anything. */
async function look(work: Work, data: RestoreData): Promise<Sighting> {
  const { canary, bosbase } = data;
  const { api } = work;
  const record = canary?.kind === "record" ? await api.canaryPresent(canary.id) : null;
  const row = canary?.kind === "log_row" ? await api.logRowPresent(canary.id) : null;
  const failures = canary === null || bosbase ? await api.restoreFailures(loggedSince(data)) : null;
  const health = await api.health();
  return {
    at: work.clock(),
    server: health.ok
      ? "superuser"
      : health.error.unauthorized
        ? "guest"
        : AWAY.includes(health.error.problem.code)
          ? "down"
          : "refused",
    idle: health.ok ? health.value.idle : null,
    canary: record?.ok ? record.value : null,
    logRow: row?.ok ? row.value : null,
    failure: failures?.ok
      ? (failures.value.find(({ key }) => key === work.operation.target.key)?.reason ?? null)
      : null,
  };
}

/** By the server's clock, whose `Date` header says whole seconds. */
const loggedSince = ({ sentAt, skewMs }: RestoreData): number => (sentAt ?? 0) + (skewMs ?? 0) - 2_000;

const AWAY: readonly string[] = ["upstream_unreachable", "upstream_timeout"];

/** A row shows up 3 s after the last logged request, so nothing but the log itself is asked meanwhile. */
async function reasonOf(work: Work, data: RestoreData): Promise<RestoreFailureReason | null> {
  const until = work.clock() + REASON_MS;
  while (work.clock() < until) {
    await work.sleep(1_000);
    const failures = await work.api.restoreFailures(loggedSince(data));
    const own = failures.ok ? failures.value.find(({ key }) => key === work.operation.target.key) : undefined;
    if (own) return own.reason;
  }
  return null;
}
