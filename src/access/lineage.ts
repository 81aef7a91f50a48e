import type { ApiKey, Lineage } from "./key.ts";
import { inNetworks } from "./network.ts";
import { matcher } from "./pattern.ts";
import { type Scope, scopes } from "./scope.ts";

/** A key, its parent and its root: no key is minted below the third (SECURITY 1). */
export const MAX_DEPTH = 3;

/** The key and its ancestors. Null when one of them is missing or the chain is too long: then nothing is allowed. */
export function lineageOf(find: (id: string) => ApiKey | null, id: string): Lineage | null {
  const keys: ApiKey[] = [];
  for (let next: string | null = id; next !== null; next = keys.at(-1)!.parent) {
    const key = find(next);
    if (!key || keys.length === MAX_DEPTH) return null;
    keys.push(key);
  }
  return keys as [ApiKey, ...ApiKey[]];
}

/** True when `ancestor` stands above the key, not for the key itself. */
export const isBelow = (lineage: Lineage, ancestor: string): boolean =>
  lineage.slice(1).some((key) => key.id === ancestor);

/** The scopes that the key and all above it have, in the order of `scope.ts`. */
export const effectiveScopes = (lineage: Lineage): Scope[] =>
  scopes.filter((scope) => lineage.every((key) => key.scopes.includes(scope)));

/** ms since the epoch; null for never. */
export function effectiveExpiry(lineage: Lineage): number | null {
  const ends = lineage.flatMap((key) => (key.expires === null ? [] : [key.expires]));
  return ends.length > 0 ? Math.min(...ends) : null;
}

export const isDisabled = (lineage: Lineage): boolean => lineage.some((key) => key.disabled);

export const isInTime = (lineage: Lineage, at: number): boolean =>
  lineage.every((key) => at >= (key.notBefore ?? 0) && (key.expires === null || at < key.expires));

/** A level without networks admits every address; one with networks refuses an unknown address (SECURITY 7). */
export const admitsAddress = (lineage: Lineage, address: string | null): boolean =>
  lineage.every((key) => key.networks.length === 0 || inNetworks(address, key.networks));

/** Which backup keys exist for this key: those that every level's patterns admit. Build once per list. */
export function visibility(lineage: Lineage): (backupKey: string) => boolean {
  const levels = lineage.map((key) => matcher(key.patterns));
  return (backupKey) => levels.every((admits) => admits(backupKey));
}

/** Whether using the scope makes an operation wait for another principal: one level that says so is enough. */
export const needsApproval = (lineage: Lineage, scope: Scope): boolean =>
  lineage.some((key) => key.approval.includes(scope));

/**
 * The principal who decides when these rights approve or deny. Null for a chat identity that no administrator named, whose
 * principal is the row itself: it may ask, but not decide (SECURITY 3).
 */
export const decidingPrincipal = ({ id, principal, holder }: ApiKey): string | null =>
  holder?.kind === "grant" && principal === id ? null : principal;

/** What a key may really do; `GET /v1/keys/self`. */
type EffectiveRights = {
  scopes: Scope[];
  notBefore: number | null;
  expires: number | null;
  approval: Scope[];
  disabled: boolean;
  /** The key first, its root last: a backup, an address, a request must satisfy every level. */
  levels: Pick<ApiKey, "id" | "patterns" | "networks" | "ratePerMinute" | "quotas">[];
};

export function effective(lineage: Lineage): EffectiveRights {
  const starts = lineage.flatMap((key) => (key.notBefore === null ? [] : [key.notBefore]));
  return {
    scopes: effectiveScopes(lineage),
    notBefore: starts.length > 0 ? Math.max(...starts) : null,
    expires: effectiveExpiry(lineage),
    approval: scopes.filter((scope) => needsApproval(lineage, scope)),
    disabled: isDisabled(lineage),
    levels: lineage.map(({ id, patterns, networks, ratePerMinute, quotas }) => ({
      id,
      patterns,
      networks,
      ratePerMinute,
      quotas,
    })),
  };
}
