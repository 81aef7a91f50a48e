import { fail } from "../base/result.ts";
import type { Reach } from "../http/reach.ts";
import type { Observed } from "./check-result.ts";
import type { Wire } from "./exchange.ts";
import { pocketBase, type Timeouts } from "./pocketbase.ts";
import type { UpstreamCredential, UpstreamSession } from "./session.ts";
import { tokenExpiry } from "./token.ts";
import { explained } from "./unanswered.ts";

type Inspected = Wire & {
  credential: UpstreamCredential;
  edge: boolean;
  session: UpstreamSession;
  /** As `explained` in unanswered.ts; null where connections cannot be tried. */
  reach?: Reach | null;
  timeouts?: Partial<Timeouts>;
};

/** A relay asks its server every two minutes, unless it was told otherwise. */
const LATELY_MS = 15 * 60_000;

/**
 * Asks a server everything a check needs, in at most six quick calls, and stops early when the remaining answers are
 * already known. Writes nothing to the server but what a login leaves there.
 */
export async function inspect(inspected: Inspected, signal?: AbortSignal): Promise<Observed> {
  const { credential, session } = inspected;
  const { baseUrl, headers, fetch, clock, edge } = inspected;
  const asGuest = pocketBase({ baseUrl, headers, fetch, clock, token: "", timeouts: inspected.timeouts });
  const first = await asGuest.health(signal);
  const guest = first.ok ? first : fail(await explained(first.error, baseUrl, fetch, inspected.reach ?? null));
  const expires = credential.kind === "token" ? tokenExpiry(credential.token) : null;
  const known = { at: clock(), baseUrl, edge, credential: { kind: credential.kind, expires } };
  if (!guest.ok) return { ...known, guest, health: guest, list: guest, settings: guest, otherRelay: guest };
  const health = await session.health(signal);
  if (!health.ok) return { ...known, guest, health, list: health, settings: health, otherRelay: health };
  known.at = clock();
  const lately = (health.value.serverTime ?? known.at) - LATELY_MS;
  const [list, settings, otherRelay] = await Promise.all([
    session.list(signal),
    session.settings(signal),
    session.otherRelaySeen(lately, signal),
  ]);
  return { ...known, guest, health, list, settings, otherRelay };
}
