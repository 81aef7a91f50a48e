import type { Counters } from "../../access/admission.ts";
import { type AskedRights, mayActFor, mayChange, mayManage } from "../../access/delegation.ts";
import type { ApiKey } from "../../access/key.ts";
import { isDisabled, isInTime } from "../../access/lineage.ts";
import { DEFAULT_GRACE_SECONDS, rotate, withoutTokens } from "../../access/rotation.ts";
import { secretDigest } from "../../access/token.ts";
import { type Clock, isoTime } from "../../base/clock.ts";
import type { Page, PageRequest } from "../../base/page.ts";
import { type Problem, problem } from "../../base/problem.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { type Admitted, type Handlers, type Policies, PRESENTED_CREDENTIALS } from "../caller.ts";
import type { Ledger } from "../ledger/store.ts";
import { checkedLimits, type KeyMinter, type KeyRequest, managerOf, refusedField } from "./minter.ts";
import type { KeyStore } from "./store.ts";
import { type KeySelf, type KeyView, keyView, type MintedKey, rightsView } from "./view.ts";

/** Undefined leaves a field as it is. */
type KeyChange = Partial<
  Pick<
    ApiKey,
    | "name"
    | "scopes"
    | "patterns"
    | "networks"
    | "notBefore"
    | "expires"
    | "ratePerMinute"
    | "quotas"
    | "approval"
    | "approvalSeconds"
    | "disabled"
    | "note"
    | "principal"
  >
>;

type Deps = {
  store: KeyStore;
  minter: KeyMinter;
  counters: Counters;
  ledger: Ledger;
  clock: Clock;
  /** Called when a key may do less, or is gone: what it asked for is judged again. */
  narrowed: () => void;
};

export type KeyCommands = {
  "keys.create": { input: KeyRequest; output: MintedKey };
  "keys.list": { input: PageRequest; output: Page<KeyView> };
  "keys.read": { input: { id: string }; output: KeyView };
  "keys.change": { input: { id: string; change: KeyChange }; output: KeyView };
  "keys.rotate": { input: { id: string; graceSeconds: number | null }; output: MintedKey };
  "keys.delete": { input: { id: string }; output: null };
  "keys.self": { input: object; output: KeySelf };
  /** Whether the credential lives, before a body is read for it. */
  "caller.ask": { input: object; output: null };
};

export const keyPolicies: Policies<KeyCommands> = {
  "keys.create": { scope: "keys:write", audit: true, credentials: PRESENTED_CREDENTIALS },
  "keys.list": { scope: "keys:read", audit: false },
  "keys.read": { scope: "keys:read", audit: false },
  "keys.change": { scope: "keys:write", audit: true },
  "keys.rotate": { scope: "keys:write", audit: true, credentials: PRESENTED_CREDENTIALS },
  "keys.delete": { scope: "keys:write", audit: true },
  "keys.self": { scope: null, audit: false },
  "caller.ask": { scope: null, audit: false, continuation: true },
};

/** Minting, changing, rotating and revoking keys, within the caller's own rights. */
export function keyHandlers({ store, minter, counters, ledger, clock, narrowed }: Deps): Handlers<KeyCommands> {
  const view = (key: ApiKey): KeyView => keyView(key, store.use(key.id), clock());
  const managed = (id: string, admitted: Admitted, may = mayManage): Result<ApiKey, Problem> => {
    const target = store.lineage(id);
    if (!target) return fail(problem("key_not_found"));
    const allowed = may(managerOf(admitted), target);
    if (allowed.ok) return ok(target[0]);
    return fail(allowed.error.code === "not_found" ? problem("key_not_found") : allowed.error);
  };

  /** A key's principal is that of the keys minted below it, unless an administrator named another one for them. */
  const passOn = (key: ApiKey, principal: string): void => {
    for (const child of store.children(key.id)) {
      if (child.principal !== key.principal) continue;
      store.update({ ...child, principal });
      passOn(child, principal);
    }
  };
  /** Ends the sessions and tickets of a key and of all below it. */
  const endTokens = (key: ApiKey): void => {
    store.update(withoutTokens(key));
    for (const child of store.children(key.id)) endTokens(child);
  };
  const lives = (key: ApiKey): boolean => !isDisabled([key]) && isInTime([key], clock());
  const revoked = (key: ApiKey, how: "disabled" | "deleted", { actor }: Admitted) =>
    ledger.append([{ type: "key.revoked", data: { key: named(key), how, actor } }]);

  return {
    "keys.create": ({ do: _do, ...request }, admitted) => {
      const minted = minter.mint(request, admitted);
      return minted.ok ? ok({ ...view(minted.value.key), key: minted.value.text }) : minted;
    },

    "keys.list": ({ limit, cursor }, admitted) => {
      const { items, nextCursor } = store.list(limit, cursor, admitted.lineage?.[0].id ?? null);
      return ok({ items: items.map(view), nextCursor });
    },

    "keys.read": ({ id }, admitted) => {
      const own = admitted.lineage?.[0];
      if (own?.id === id) return ok(view(own));
      const key = managed(id, admitted);
      return key.ok ? ok(view(key.value)) : key;
    },

    "keys.change": ({ id, change }, admitted) => {
      const target = store.lineage(id);
      const manageable = managed(id, admitted);
      if (!target || !manageable.ok) return manageable.ok ? fail(problem("key_not_found")) : manageable;
      if (change.principal !== undefined && admitted.lineage)
        return refusedField("principal", "Only an administrator names principals.");
      const asked: AskedRights = {};
      if (change.scopes !== undefined) asked.scopes = change.scopes;
      if (change.expires !== undefined) asked.expires = change.expires;
      const allowed = mayChange(managerOf(admitted), target, asked);
      if (!allowed.ok) return allowed;
      if (change.scopes?.length === 0)
        return refusedField("scopes", "A key needs at least one scope; disable it instead.");
      const limits = checkedLimits({ ...target[0], ...change });
      if (!limits.ok) return limits;
      const changed: ApiKey = { ...target[0], ...change, ...limits.value };
      store.update(changed);
      if (lives(target[0]) && !lives(changed)) endTokens(changed);
      if (changed.principal !== target[0].principal) passOn(target[0], changed.principal);
      if (changed.disabled && !target[0].disabled) revoked(changed, "disabled", admitted);
      narrowed();
      return ok(view(changed));
    },

    "keys.rotate": ({ id, graceSeconds }, admitted) => {
      const key = managed(id, admitted, mayActFor);
      if (!key.ok) return key;
      const text = minter.newText(id);
      const rotated = rotate(key.value, secretDigest(text), graceSeconds ?? DEFAULT_GRACE_SECONDS, clock());
      if (!rotated.ok) return rotated;
      store.update(rotated.value);
      const { previous } = rotated.value;
      const graceUntil = previous ? isoTime(previous.until) : null;
      ledger.append([{ type: "key.rotated", data: { key: named(rotated.value), graceUntil, actor: admitted.actor } }]);
      return ok({ ...view(rotated.value), key: text });
    },

    "keys.delete": ({ id }, admitted) => {
      const key = managed(id, admitted);
      if (!key.ok) return key;
      store.remove(id);
      revoked(key.value, "deleted", admitted);
      narrowed();
      return ok(null);
    },

    "keys.self": (_input, { lineage, at }) =>
      ok(
        lineage
          ? { kind: "key", key: view(lineage[0]), rights: rightsView(lineage, counters, at) }
          : { kind: "admin", key: null, rights: null },
      ),

    "caller.ask": () => ok(null),
  };
}

const named = ({ id, name }: ApiKey) => ({ id, name });
