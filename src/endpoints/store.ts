import type { Clock } from "../base/clock.ts";
import { base64, fromBase64 } from "../base/encoding.ts";
import type { Random } from "../base/random.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Sealer } from "../base/seal.ts";
import { SealedValues } from "../storage/sealed-values.ts";
import type { DisableRequest } from "../webhooks/feed.ts";
import type { Format } from "../webhooks/formats/render.ts";
import { newSeed, publicKey } from "../webhooks/key-pair.ts";
import { believableHealth, type EndpointHealth, HEALTHY } from "../webhooks/retry.ts";
import { newSecret } from "../webhooks/secret.ts";
import { type SignatureKind, type SigningKeys, signer } from "../webhooks/signature.ts";
import type { WireEndpoint } from "../webhooks/wire.ts";

/** The settings that are not secret. */
export type EndpointSettings = {
  instanceName: string;
  format: Format;
  signatures: SignatureKind[];
  ratePerMinute: number | null;
};

/** Where it goes and what it carries: a URL's path and query, and header values, may be secrets (SECURITY 21, 23). */
export type EndpointTarget = { url: string; headers: Record<string, string> };

type KeyText = { secret: string; seed: string };
type Keys = { current: KeyText; previous: (KeyText & { until: number }) | null };

type EndpointSecrets = { target: EndpointTarget; keys: Keys };

/** What an endpoint remembers of itself between attempts. */
type EndpointMemory = { activation: number; health: EndpointHealth; disabling: DisableRequest | null };

/** The settings, secrets and memory of one endpoint. Opened secrets are kept while the object lives. */
export class EndpointStore {
  readonly id: string;
  private readonly sql: SqlStorage;
  private readonly sealed: SealedValues<"secrets">;
  private readonly clock: Clock;
  private readonly random: Random;
  private opened: EndpointSecrets | null = null;
  private wire: { endpoint: WireEndpoint; until: number } | null = null;
  private remembered: EndpointMemory | null = null;

  constructor(id: string, sql: SqlStorage, sealer: Sealer, clock: Clock, random: Random) {
    this.id = id;
    this.sql = sql;
    this.sealed = new SealedValues(sql, sealer, (name) => `${id}|sealed|${name}`);
    this.clock = clock;
    this.random = random;
  }

  get settings(): EndpointSettings | null {
    return this.read<EndpointSettings>("settings");
  }

  get memory(): EndpointMemory {
    this.remembered ??= this.read<EndpointMemory>("memory") ?? { activation: 0, health: HEALTHY, disabling: null };
    const health = believableHealth(this.remembered.health, this.clock());
    if (health !== this.remembered.health) this.remembered = { ...this.remembered, health };
    return this.remembered;
  }

  remember(memory: EndpointMemory): void {
    this.remembered = memory;
    this.write("memory", memory);
  }

  /** Everything new; a secret of the user's own, or one made here. Returns the secret. */
  async create(
    settings: EndpointSettings,
    target: EndpointTarget,
    secret: Uint8Array<ArrayBuffer> | null,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const made = secret ?? newSecret(this.random);
    const keys: Keys = { current: { secret: base64(made), seed: base64(newSeed(this.random)) }, previous: null };
    await this.seal({ target, keys }, settings);
    return made;
  }

  /** A target on another scheme, host or port has a new secret, which is returned: the old receiver knew the old one. */
  async change(
    settings: EndpointSettings,
    target: EndpointTarget | null,
  ): Promise<Result<Uint8Array<ArrayBuffer> | null, "locked">> {
    if (target === null) {
      this.write("settings", settings);
      this.wire = null;
      return ok(null);
    }
    const sealed = await this.open();
    if (!sealed.ok) return sealed;
    const { keys } = sealed.value;
    const moved = new URL(sealed.value.target.url).origin !== new URL(target.url).origin;
    const made = moved ? newSecret(this.random) : null;
    const next: Keys = made ? { current: { ...keys.current, secret: base64(made) }, previous: null } : keys;
    await this.seal({ target, keys: next }, settings);
    return ok(made);
  }

  /** New secret and key pair; until `until` (ms) the old ones sign as well. */
  async rotate(
    secret: Uint8Array<ArrayBuffer> | null,
    until: number,
  ): Promise<Result<Uint8Array<ArrayBuffer>, "locked">> {
    const sealed = await this.open();
    const settings = this.settings;
    if (!sealed.ok) return sealed;
    if (!settings) return fail("locked");
    const made = secret ?? newSecret(this.random);
    const { target, keys } = sealed.value;
    const next: Keys = {
      current: { secret: base64(made), seed: base64(newSeed(this.random)) },
      previous: until > this.clock() ? { ...keys.current, until } : null,
    };
    await this.seal({ target, keys: next }, settings);
    return ok(made);
  }

  async target(): Promise<Result<EndpointTarget, "locked">> {
    const sealed = await this.open();
    return sealed.ok ? ok(sealed.value.target) : sealed;
  }

  /** The public keys, current and outgoing. */
  async publicKeys(): Promise<
    Result<{ current: Uint8Array<ArrayBuffer>; previous: Uint8Array<ArrayBuffer> | null }, "locked">
  > {
    const sealed = await this.open();
    if (!sealed.ok) return sealed;
    const { current, previous } = sealed.value.keys;
    const living = stillSigns(previous, this.clock()) ? publicKey(bytes(previous.seed)) : null;
    return ok({ current: publicKey(bytes(current.seed)), previous: living });
  }

  /** What an attempt needs, once `unlock` succeeded; made once, and anew when an overlap has ended. */
  get ready(): WireEndpoint | null {
    const now = this.clock();
    if (this.wire && now < this.wire.until) return this.wire.endpoint;
    const settings = this.settings;
    if (!this.opened || !settings) return null;
    const { target, keys } = this.opened;
    const previous = stillSigns(keys.previous, now) ? keys.previous : null;
    const all = previous ? [keys.current, previous] : [keys.current];
    const signing: SigningKeys = {
      secrets: all.map(({ secret }) => bytes(secret)),
      seeds: all.map(({ seed }) => bytes(seed)),
    };
    const sign = signer(signing, settings.signatures);
    const endpoint: WireEndpoint = { ...target, format: settings.format, sign };
    this.wire = { endpoint, until: previous?.until ?? Number.POSITIVE_INFINITY };
    return endpoint;
  }

  /** Opens the secrets, once. False: no configured ENCRYPTION_KEY opens them. */
  async unlock(): Promise<boolean> {
    return (await this.open()).ok;
  }

  /** How the stored secrets begin, which names the ENCRYPTION_KEY that sealed them; null when there are none. */
  get sealedWith(): string | null {
    return this.sealed.sealedWith("secrets");
  }

  private async open(): Promise<Result<EndpointSecrets, "locked">> {
    if (this.opened) return ok(this.opened);
    const plain = await this.sealed.open("secrets");
    if (!plain.ok) return plain;
    // Others may have been stored meanwhile.
    this.opened ??= JSON.parse(plain.value) as EndpointSecrets;
    return ok(this.opened);
  }

  /** Address, headers and keys are one value: a kill cannot leave the new address with the old secret. */
  private async seal(secrets: EndpointSecrets, settings: EndpointSettings): Promise<void> {
    const value = await this.sealed.seal("secrets", JSON.stringify(secrets));
    this.sealed.store([value]);
    this.write("settings", settings);
    this.opened = secrets;
    this.wire = null;
  }

  private read<T>(name: string): T | null {
    const row = this.sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = ?", name).toArray()[0];
    return row ? (JSON.parse(row.value) as T) : null;
  }

  private write(name: string, value: object): void {
    this.sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", name, JSON.stringify(value));
  }
}

/** The longest overlap after a rotation is a week: one that ends later still was promised by a clock that ran ahead. */
const LONGEST_OVERLAP_MS = 14 * 86_400_000;

const stillSigns = (previous: Keys["previous"], now: number): previous is NonNullable<Keys["previous"]> =>
  previous !== null && previous.until > now && previous.until <= now + LONGEST_OVERLAP_MS;

const bytes = (text: string): Uint8Array<ArrayBuffer> => fromBase64(text)!;
