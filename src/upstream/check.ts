import { isoTime } from "../base/clock.ts";
import type { Problem } from "../base/problem.ts";
import { problem } from "../base/problem.ts";
import { problems } from "../base/problems.ts";
import type { Flavour, Health, Listing, UpstreamResult } from "./backups-api.ts";
import { type CheckWarning, fineWarnings } from "./check-warnings.ts";
import type { ServerSettings } from "./inspection.ts";

/** What a look at a server found (API.md "Instances"). Never an error: a bad finding is a warning with its way out. */
export type Check = {
  at: string;
  reachable: boolean;
  authorized: boolean;
  flavour: Flavour;
  /** The range of versions the server's answers allow for; left out when they tell nothing. */
  version?: string;
  /** False while a backup is made or restored; null when it could not be asked. */
  idle: boolean | null;
  storage: "local" | "s3" | "unknown";
  latencyMs: number | null;
  /** How far the server's clock is ahead of ours. */
  clockSkewSeconds: number | null;
  warnings: CheckWarning[];
};

/** The answers a check is made of; `inspect` collects them. */
export type Observed = {
  /** When the last of the two healths came, in ms since the epoch. */
  at: number;
  baseUrl: string;
  credential: { kind: "token" | "password" /** ms since the epoch. */; expires: number | null };
  /** The relay itself runs on Cloudflare, whose cap on bodies then stands before it. */
  edge: boolean;
  /** Health as anybody gets it: tells whether the server is there at all. */
  guest: UpstreamResult<Health>;
  health: UpstreamResult<Health>;
  list: UpstreamResult<Listing>;
  settings: UpstreamResult<ServerSettings>;
};

/** The reason not to register this server, or null when there is none. `force` may overrule it. */
function refusalOf(observed: Observed): Problem | null {
  if (!observed.guest.ok) return observed.guest.error.problem;
  if (observed.guest.value.age === "<=0.22") return problem("unsupported_version");
  if (!observed.health.ok) return observed.health.error.problem;
  if (!observed.list.ok) return observed.list.error.problem;
  return null;
}

const asWarning = ({ code, message, hint }: Problem): CheckWarning => ({
  code,
  message: message ?? problems[code].message,
  hint: hint ?? problems[code].hint,
});

/** The settings know an IP allow-list since 0.38, which halves the range that the answers' form leaves open. */
function versionOf(health: Health, settings: ServerSettings | null): string | null {
  if (health.flavour === "bosbase") return null;
  if (health.age !== "0.23-0.39" || !settings) return health.age;
  return settings.superuserIps === null ? "0.23-0.37" : "0.38-0.39";
}

/** `Date` has whole seconds, cut off: half a second is added, and the answer was written half a round trip ago. */
function skewOf(at: number, { serverTime, latencyMs }: Health): number | null {
  // `|| 0`, since JSON and people know no negative zero.
  return serverTime === null ? null : Math.round((serverTime + 500 - (at - latencyMs / 2)) / 1000) || 0;
}

/** Judges what `inspect` collected; with it the reason to refuse a registration. */
export function checkOf(observed: Observed): { check: Check; refusal: Problem | null } {
  const { guest, health, list } = observed;
  const refusal = refusalOf(observed);
  const seen = health.ok ? health.value : guest.ok ? guest.value : null;
  const settings = observed.settings.ok ? observed.settings.value : null;
  const version = seen && versionOf(seen, settings);
  const check: Check = {
    at: isoTime(observed.at),
    reachable: guest.ok,
    authorized: health.ok && health.value.superuser && !(!list.ok && list.error.unauthorized),
    flavour: seen?.flavour ?? "unknown",
    ...(version ? { version } : {}),
    idle: seen?.idle ?? null,
    storage: settings ? (settings.s3 ? "s3" : "local") : "unknown",
    latencyMs: seen?.latencyMs ?? null,
    clockSkewSeconds: seen && skewOf(observed.at, seen),
    warnings: refusal ? [asWarning(refusal)] : [],
  };
  check.warnings.push(...fineWarnings({ ...observed, check, proxy: seen?.proxy ?? null }));
  return { check, refusal };
}
