import { type Clock, pastOrUnknown } from "../../base/clock.ts";
import { base64url, fromBase64url } from "../../base/encoding.ts";
import { type Problem, problem } from "../../base/problem.ts";
import type { Random } from "../../base/random.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import type { Sealer } from "../../base/seal.ts";
import { SealedValues } from "../../storage/sealed-values.ts";
import type { ServerCheck } from "../../upstream/check-result.ts";
import type { UpstreamCredential } from "../../upstream/session.ts";
import { tokenExpiry } from "../../upstream/token.ts";
import type { InstanceChange, InstanceRecord, InstanceRequest } from "./record.ts";
import { type SealedName, sealContext, sealedLocked } from "./sealed-names.ts";
import { type InstanceView, instanceView } from "./view.ts";

export const DEFAULT_POLL_SECONDS = 120;

/** A credential that was replaced is kept sealed this long: a restore may bring its superuser back. */
const PREVIOUS_KEPT_MS = 30 * 86_400_000;

/** The instance's own row and its sealed values: where the server is, and how the relay logs in there. */
export class Configuration {
  private readonly storage: DurableObjectStorage;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly sealed: SealedValues<SealedName>;
  private cached: InstanceRecord | null = null;

  constructor(storage: DurableObjectStorage, sealer: Sealer, clock: Clock, random: Random) {
    this.storage = storage;
    this.clock = clock;
    this.random = random;
    this.sealed = new SealedValues(storage.sql, sealer, (name) => sealContext(this.own, name));
  }

  get stored(): InstanceRecord | null {
    if (this.cached) return this.cached;
    const { sql } = this.storage;
    const row = sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'instance'").toArray()[0];
    if (row) this.cached = JSON.parse(row.value);
    return this.cached;
  }

  /** Only for a registered instance. */
  get own(): InstanceRecord {
    const stored = this.stored;
    if (!stored) throw new Error("this instance is not registered");
    return stored;
  }

  /** Writes a new instance with its secrets, all at once. */
  async register(
    place: { id: string; tag: string },
    request: InstanceRequest,
    source: "api" | "environment",
  ): Promise<void> {
    const at = this.clock();
    const stored: InstanceRecord = {
      ...place,
      name: request.name,
      url: request.url,
      source,
      credential: describe(request.credential),
      headerNames: Object.keys(request.headers),
      pollSeconds: request.pollSeconds,
      expect: request.expect,
      verify: request.verify,
      created: at,
      updated: at,
      check: null,
      credentialSince: at,
      previousUntil: null,
    };
    const secrets = { sessionKey: this.newSecret(), nudgeSecret: this.newSecret() };
    const entered = source === "api" ? entries(request.credential, request.headers) : {};
    await this.replace(stored, { ...secrets, ...entered });
  }

  /** A changed origin needs the credential again, or the password would be sent to a new host (SECURITY 20). */
  async change(change: InstanceChange): Promise<Result<null, Problem>> {
    const stored = this.own;
    if (stored.source === "environment") return fail(problem("configured_by_environment"));
    const moved = change.url !== undefined && new URL(change.url).origin !== new URL(stored.url).origin;
    if (moved && change.credential === undefined) {
      const message = "Needed because the address changes.";
      return fail(problem("credential_required", { data: { credential: { code: "credential_required", message } } }));
    }
    const at = this.clock();
    const next: InstanceRecord = {
      ...stored,
      url: change.url ?? stored.url,
      pollSeconds: change.pollSeconds ?? stored.pollSeconds,
      expect: change.expect === undefined ? stored.expect : change.expect,
      verify: change.verify ?? stored.verify,
      updated: at,
    };
    const secrets: { [N in SealedName]?: string } = {};
    if (change.credential) {
      const former = moved ? null : await this.sealed.open("credential");
      if (former?.ok) secrets.previousCredential = former.value;
      Object.assign(next, {
        credential: describe(change.credential),
        credentialSince: at,
        previousUntil: former?.ok ? at + PREVIOUS_KEPT_MS : null,
      });
      secrets.credential = JSON.stringify(change.credential);
      // After a lost ENCRYPTION_KEY the credential is entered again; the other secrets are then made anew as well.
      for (const name of ["sessionKey", "nudgeSecret"] as const)
        if (!(await this.sealed.open(name)).ok) secrets[name] = this.newSecret();
    }
    if (change.headers || moved) {
      secrets.headers = JSON.stringify(change.headers ?? {});
      next.headerNames = Object.keys(change.headers ?? {});
    } else if (change.credential && !(await this.sealed.open("headers")).ok) {
      // The server may be unreachable without them, so they are not dropped without an error.
      if (stored.headerNames.length > 0) return fail(headersLost(stored.headerNames));
      secrets.headers = "{}";
    }
    await this.replace(next, secrets);
    if (moved) this.sealed.forget("previousCredential");
    return ok(null);
  }

  async credential(environment: UpstreamCredential | null = null): Promise<Result<UpstreamCredential, Problem>> {
    if (this.own.source === "environment")
      return environment
        ? ok(environment)
        : fail(problem("misconfigured", { message: "POCKETBASE_URL is not set any more." }));
    const text = await this.openSealed("credential");
    return text.ok ? ok(JSON.parse(text.value)) : text;
  }

  /**
   * What a restore has to know of the credential: when it was entered, and whether it is valid for the next two hours.
   */
  credentialFacts(): { since: number | null; lasts: boolean } {
    const { credential, credentialSince } = this.own;
    const lasts = credential.kind === "password" || (credential.expires ?? Infinity) > this.clock() + 2 * 3_600_000;
    return { since: credentialSince, lasts };
  }

  /** The credential before the present one, while it is still kept; null otherwise. */
  async previousCredential(): Promise<UpstreamCredential | null> {
    const until = this.own.previousUntil;
    if (until === null) return null;
    const now = this.clock();
    if (until < now || pastOrUnknown(until - PREVIOUS_KEPT_MS, now) === null) {
      this.sealed.forget("previousCredential");
      this.write({ ...this.own, previousUntil: null });
      return null;
    }
    const text = await this.sealed.open("previousCredential");
    return text.ok ? JSON.parse(text.value) : null;
  }

  /** Makes the previous credential the present one, and the other way round. */
  async swapCredentials(): Promise<void> {
    const previous = await this.previousCredential();
    const present = await this.sealed.open("credential");
    if (!previous || !present.ok) return;
    const at = this.clock();
    const changed = { credential: describe(previous), credentialSince: at, previousUntil: at + PREVIOUS_KEPT_MS };
    await this.replace(
      { ...this.own, ...changed },
      { credential: JSON.stringify(previous), previousCredential: present.value },
    );
  }

  async headers(): Promise<Result<Record<string, string>, Problem>> {
    if (this.own.source === "environment") return ok({});
    const text = await this.openSealed("headers");
    return text.ok ? ok(JSON.parse(text.value)) : text;
  }

  async sessionKey(): Promise<Result<Uint8Array<ArrayBuffer>, Problem>> {
    const text = await this.openSealed("sessionKey");
    return text.ok ? ok(fromBase64url(text.value)!) : text;
  }

  nudgeSecret(): Promise<Result<string, Problem>> {
    return this.openSealed("nudgeSecret");
  }

  async rotateNudge(): Promise<string> {
    const secret = this.newSecret();
    this.sealed.store([await this.sealed.seal("nudgeSecret", secret)]);
    return secret;
  }

  /** Seals anew, with the first ENCRYPTION_KEY, whatever another one sealed. */
  async reseal(): Promise<void> {
    await this.sealed.openAll();
  }

  checked(check: ServerCheck): void {
    this.write({ ...this.own, check });
  }

  /**
   * The environment decides address and credential of its instance anew at every start, also of one that was registered
   * under its name before. A session key that cannot be opened is made anew: nobody could enter it again.
   */
  async followEnvironment(url: string, credential: UpstreamCredential): Promise<void> {
    if (!(await this.sealed.open("sessionKey")).ok)
      this.sealed.store([await this.sealed.seal("sessionKey", this.newSecret())]);
    const stored = this.own;
    const described = describe(credential);
    const known = stored.url === url && JSON.stringify(stored.credential) === JSON.stringify(described);
    if (known && stored.source === "environment") return;
    for (const name of ["credential", "previousCredential", "headers"] as const) this.sealed.forget(name);
    const fresh = { source: "environment" as const, headerNames: [], previousUntil: null, check: null };
    this.write({ ...stored, ...fresh, url, credential: described, updated: this.clock() });
  }

  async view(newestBackup: InstanceView["newestBackup"]): Promise<InstanceView> {
    const locked = await this.sealed.openAll();
    return instanceView(this.own, { newestBackup, locked, leftToReseal: await this.sealed.leftToReseal() });
  }

  private async openSealed(name: SealedName): Promise<Result<string, Problem>> {
    const opened = await this.sealed.open(name);
    return opened.ok ? opened : fail(sealedLocked(name));
  }

  private newSecret(): string {
    return base64url(this.random(32));
  }

  /** Seals first, then writes row and secrets in one turn: a kill in between leaves the old ones as they were. */
  private async replace(next: InstanceRecord, secrets: { [N in SealedName]?: string }): Promise<void> {
    const named = Object.entries(secrets) as [SealedName, string][];
    const values = await Promise.all(
      named.map(([name, plain]) => this.sealed.seal(name, plain, sealContext(next, name))),
    );
    this.storage.transactionSync(() => {
      this.write(next);
      this.sealed.store(values);
    });
  }

  private write(stored: InstanceRecord): void {
    this.cached = stored;
    this.storage.sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('instance', ?)", JSON.stringify(stored));
  }
}

const entries = (credential: UpstreamCredential, headers: Record<string, string>) => ({
  credential: JSON.stringify(credential),
  headers: JSON.stringify(headers),
});

function headersLost(names: readonly string[]): Problem {
  const message = `The stored headers (${names.join(", ")}) cannot be opened any more: enter them again, or {} for none.`;
  return problem("invalid_request", { data: { headers: { code: "validation_required", message } } });
}

function describe(credential: UpstreamCredential): InstanceRecord["credential"] {
  if (credential.kind === "password") return { kind: "password", email: credential.email };
  const expires = tokenExpiry(credential.token);
  return expires === null ? { kind: "token" } : { kind: "token", expires };
}
