import { isoTime } from "../base/clock.ts";
import type { Problem } from "../base/problem.ts";
import { problem } from "../base/problem.ts";
import { problems } from "../base/problems.ts";
import type { Health } from "./backups-api.ts";
import type { CheckWarning, Observed, ServerCheck } from "./check-result.ts";
import { warningsOf } from "./check-warnings.ts";
import type { ServerSettings } from "./server-settings.ts";

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

/** The check made of what `inspect` collected, and the reason to refuse a registration, null when there is none. */
export function checkOf(observed: Observed): { check: ServerCheck; refusal: Problem | null } {
  const { guest, health, list } = observed;
  const refusal = refusalOf(observed);
  const seen = health.ok ? health.value : guest.ok ? guest.value : null;
  const settings = observed.settings.ok ? observed.settings.value : null;
  const version = seen && versionOf(seen, settings);
  const check: ServerCheck = {
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
  check.warnings.push(
    ...warningsOf({
      ...observed,
      check,
      proxy: seen?.proxy ?? null,
      secondRelay: observed.otherRelay.ok && observed.otherRelay.value,
    }),
  );
  return { check, refusal };
}
