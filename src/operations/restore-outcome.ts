import type { Cause } from "../upstream/server-cause.ts";

/** One look at the server after it accepted a restore. Times are ms since the epoch on the relay's own clock. */
export type Probe = {
  at: number;
  /**
   * Asked after everything else of this look. `guest`: it answered and took none of our credentials (the token, then
   * the stored password, then the one before). `refused`: it answered otherwise (a proxy's page, an IP list, 5xx).
   */
  server: "down" | "refused" | "guest" | "superuser";
  /** Health's `canBackup`; null when the answer does not hold it. */
  idle: boolean | null;
  /** Whether the canary record is there; null when not planted or not readable. */
  canary: boolean | null;
  /** True when a canary of another relay was there: its restore may be what this one's evidence shows. */
  contended: boolean;
  /** Whether the log row planted before is there; null when not planted or not readable. */
  logRow: boolean | null;
  /** Why the server's log says that a restore of this key failed since; null when it says nothing. */
  failure: Cause | null;
};

/** What is known of the restore beside the probes. */
export type Watched = {
  /** When the request was sent. */
  sentAt: number;
  /** True when the token used before it would not have expired by itself meanwhile, so that its refusal is evidence. */
  tokenWouldLive: boolean;
};

export type RestoreOutcome =
  | { state: "watching" }
  | { state: "succeeded"; evidence: "canary" | "log_row" | "dead_token" }
  | { state: "failed"; evidence: "canary" | "log_row" | "failure_row"; cause: Cause | null }
  | { state: "unknown"; because: "not_back" | "still_busy" | "no_access" | "no_evidence" | "contended" };

/** The server waits this long before it starts: what vanished earlier was not removed by the restore. */
const EARLIEST_MS = 1_000;
/** A failed restore has ended by then: a canary that is still there counts from then on. */
export const SETTLED_MS = 5_000;
/** A sign of failure must be seen twice, this far apart: a server under load starts late. */
const TWICE_MS = 1_000;
/** A server that is not back by then does not come back by itself: a database it cannot open stops it at every start. */
export const BACK_MS = 10 * 60_000;
/** The server fetches an archive from S3 for at most 10 minutes, and then has to unpack it. */
const BUSY_MS = 20 * 60_000;
/** The watch ends after this long in any case. */
const LIMIT_MS = 60 * 60_000;
/** How long to look for evidence on a server that answers but shows none. */
const EVIDENCE_MS = 60_000;

/**
 * Decides what became of a restore (facts: upstream §1.6.1, seen on PocketBase 0.23 to 0.40). The evidence counts in this order: the
 * canary record, the canary log row, a token that was valid and is refused, a row about the failure. Outages, `canBackup` and
 * elapsed time prove nothing; they only say how long to go on. `probes` are in order of time; `now` is the last look.
 */
export function restoreOutcome(watched: Watched, probes: readonly Probe[], now: number): RestoreOutcome {
  const readable = probes.filter(({ server, idle }) => server === "superuser" && idle === true);
  for (const [sign, evidence] of [
    ["canary", "canary"],
    ["logRow", "log_row"],
  ] as const) {
    const gone = readable.find((probe) => probe[sign] === false);
    if (gone && gone.at < watched.sentAt + EARLIEST_MS) continue;
    if (gone) return proven(probes, evidence);
    const there = readable.filter((probe) => probe[sign] === true);
    if (seenTwice(there, watched)) return { state: "failed", evidence, cause: causeIn(probes) };
  }
  const guests = probes.filter(({ server }) => server === "guest");
  if (watched.tokenWouldLive && seenTwice(guests, watched)) return proven(probes, "dead_token");
  const cause = causeIn(probes);
  if (cause !== null) return { state: "failed", evidence: "failure_row", cause };
  return undecided(watched, probes, now);
}

/** What vanished shows that *a* restore happened: this one, unless somebody else's was under way as well. */
const proven = (probes: readonly Probe[], evidence: "canary" | "log_row" | "dead_token"): RestoreOutcome =>
  probes.some(({ contended }) => contended)
    ? { state: "unknown", because: "contended" }
    : { state: "succeeded", evidence };

/** Goes on watching, or gives up with the reason. */
function undecided(watched: Watched, probes: readonly Probe[], now: number): RestoreOutcome {
  const last = probes.at(-1);
  const over = now - watched.sentAt >= LIMIT_MS;
  const lasts = over ? LIMIT_MS : now - stateSince(probes, watched.sentAt);
  if (!last || last.server === "down" || last.server === "refused") {
    if (lasts < BACK_MS) return { state: "watching" };
    return { state: "unknown", because: last?.server === "refused" ? "no_access" : "not_back" };
  }
  if (last.idle === false) return lasts < BUSY_MS ? { state: "watching" } : { state: "unknown", because: "still_busy" };
  if (now - watched.sentAt < EVIDENCE_MS || lasts < EVIDENCE_MS) return { state: "watching" };
  return { state: "unknown", because: last.server === "guest" ? "no_access" : "no_evidence" };
}

/** How the server presents itself, as far as waiting is concerned. */
const presence = ({ server, idle }: Probe): string =>
  server === "down" || server === "refused" ? "away" : server === "superuser" && idle === false ? "busy" : server;

/** When it began to present itself the way it does now. */
function stateSince(probes: readonly Probe[], sentAt: number): number {
  let since = probes.at(-1)?.at ?? sentAt;
  for (const probe of probes.toReversed()) {
    if (presence(probe) !== presence(probes.at(-1)!)) break;
    since = probe.at;
  }
  return since;
}

/** Seen at least twice, apart, after the restore had time to happen. */
function seenTwice(signs: readonly Probe[], { sentAt }: Watched): boolean {
  const late = signs.filter(({ at }) => at >= sentAt + SETTLED_MS);
  return late.length >= 2 && late.at(-1)!.at - late[0]!.at >= TWICE_MS;
}

const causeIn = (probes: readonly Probe[]): Cause | null =>
  probes.findLast(({ failure }) => failure !== null)?.failure ?? null;

/**
 * How long the server was seen away, in ms: from the first look that missed it to the next that did not. Outages are
 * 20 to 2,500 ms, so most fall between two looks: then null. A server still away has been away until `now`.
 */
export function downtime(probes: readonly Probe[], now: number): number | null {
  const away = probes.findIndex(({ server }) => server === "down");
  if (away < 0) return null;
  const back = probes.slice(away).find(({ server }) => server !== "down");
  return (back?.at ?? now) - probes[away]!.at;
}
