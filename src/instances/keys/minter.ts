import { type Manager, mayMint } from "../../access/delegation.ts";
import type { ApiKey, Holder } from "../../access/key.ts";
import { checkNetworks } from "../../access/network.ts";
import { checkPatterns } from "../../access/pattern.ts";
import { type PresetName, presets } from "../../access/preset.ts";
import type { Scope } from "../../access/scope.ts";
import { KEY_ID_LENGTH, mintKeyText, secretDigest } from "../../access/token.ts";
import { type Clock, isoTime } from "../../base/clock.ts";
import { type Problem, problem } from "../../base/problem.ts";
import { type Random, randomBase62 } from "../../base/random.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { actorText } from "../actor.ts";
import type { Admitted } from "../caller.ts";
import type { Ledger } from "../ledger/store.ts";
import type { KeyStore } from "./store.ts";

/** The rights a caller asks for; times are ms since the epoch, `null` means no such limit, undefined the preset's or default. */
export type KeyRequest = {
  name: string;
  preset: PresetName | null;
  scopes: Scope[] | null;
  patterns?: string[];
  networks?: string[];
  notBefore?: number | null;
  expires?: number | null;
  ratePerMinute?: number | null;
  quotas?: ApiKey["quotas"];
  approval?: Scope[];
  approvalSeconds?: number | null;
  principal?: string | null;
  note?: string;
};

/** Rows of `keys` in one instance, whatever they are used by. */
const MAX_KEYS = 5_000;

type Deps = {
  store: KeyStore;
  ledger: Ledger;
  clock: Clock;
  random: Random;
  /** Instance id and tag, which every key text carries. */
  place: () => { id: string; tag: string };
};

/** Makes rights within those of the caller who asks for them: as a key, or for something that holds them without a text. */
export class KeyMinter {
  private readonly deps: Deps;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** A key. Its text is answered here and kept nowhere. */
  mint(request: KeyRequest, admitted: Admitted): Result<{ key: ApiKey; text: string }, Problem> {
    const rights = this.rightsWithin(request, admitted);
    if (!rights.ok) return rights;
    const text = this.newText(rights.value.id);
    return ok({ key: this.insert({ ...rights.value, holder: null, digest: secretDigest(text) }, admitted), text });
  }

  /** The same rights for a holder, whom the credential `held` with the id of the answered row lets use them. */
  mintHeld(request: KeyRequest, holder: Holder, admitted: Admitted): Result<ApiKey, Problem> {
    const rights = this.rightsWithin(request, admitted);
    return rights.ok ? ok(this.insert({ ...rights.value, holder, digest: null }, admitted)) : rights;
  }

  /** A text with a new secret for a key of this instance. */
  newText(keyId: string): string {
    const { id, tag } = this.deps.place();
    return mintKeyText(this.deps.random, { instance: id, tag, keyId });
  }

  private rightsWithin(request: KeyRequest, admitted: Admitted): Result<Omit<ApiKey, "holder" | "digest">, Problem> {
    const { store, clock, random } = this.deps;
    const preset = request.preset ? presets[request.preset] : null;
    const scopes = [...new Set(request.scopes ?? preset?.scopes ?? [])];
    if (scopes.length === 0) return refusedField("scopes", "Name a preset or at least one scope.");
    if (request.principal && admitted.lineage)
      return refusedField("principal", "Only an administrator names principals.");
    const limits = checkedLimits({ patterns: request.patterns ?? ["*"], networks: request.networks ?? [] });
    if (!limits.ok) return limits;
    const allowed = mayMint(managerOf(admitted), { scopes, expires: request.expires ?? null }, clock());
    if (!allowed.ok) return allowed;
    if (store.list(MAX_KEYS, null, null).nextCursor !== null) return fail(problem("too_many_keys"));
    const id = randomBase62(random, KEY_ID_LENGTH);
    const parent = admitted.lineage?.[0] ?? null;
    return ok({
      id,
      parent: parent?.id ?? null,
      principal: parent?.principal ?? request.principal ?? id,
      name: request.name,
      preset: request.preset,
      scopes,
      ...limits.value,
      notBefore: request.notBefore ?? null,
      expires: allowed.value.expires,
      ratePerMinute: request.ratePerMinute === undefined ? (preset?.ratePerMinute ?? null) : request.ratePerMinute,
      quotas: request.quotas ?? preset?.quotas ?? {},
      approval: request.approval ?? [],
      approvalSeconds: request.approvalSeconds ?? null,
      disabled: false,
      note: request.note ?? "",
      secretVersion: 1,
      previous: null,
      created: clock(),
      createdBy: actorText(admitted.actor),
    });
  }

  private insert(key: ApiKey, { actor }: Admitted): ApiKey {
    this.deps.store.insert(key);
    const { id, name, parent, preset, scopes, expires, holder } = key;
    const data = {
      key: { id, name },
      parent,
      preset,
      scopes,
      expires: expires === null ? null : isoTime(expires),
      ...(holder ? { holder } : {}),
      actor,
    };
    this.deps.ledger.append([{ type: "key.created", data }]);
    return key;
  }
}

/** A caller as the rules of delegation see it. */
export const managerOf = (admitted: Admitted): Manager => admitted.lineage ?? "administrator";

/** Patterns and networks in the form in which they are stored, or the field that is wrong. */
export function checkedLimits(
  limits: Pick<ApiKey, "patterns" | "networks">,
): Result<Pick<ApiKey, "patterns" | "networks">, Problem> {
  const patterns = checkPatterns(limits.patterns);
  if (!patterns.ok) return patterns;
  const networks = checkNetworks(limits.networks);
  return networks.ok ? ok({ patterns: patterns.value, networks: networks.value }) : networks;
}

export const refusedField = (field: string, message: string) =>
  fail(problem("invalid_request", { data: { [field]: { code: "validation_invalid_value", message } } }));
