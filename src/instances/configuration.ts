import type { Clock } from "../base/clock.ts";
import { isoTime } from "../base/clock.ts";
import { base64url, fromBase64url } from "../base/encoding.ts";
import { type Problem, problem } from "../base/problem.ts";
import type { Random } from "../base/random.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Sealer } from "../base/seal.ts";
import type { Expectation } from "../observing/overdue.ts";
import type { Check } from "../upstream/check.ts";
import type { UpstreamCredential } from "../upstream/session.ts";

export type InstanceRequest = {
  name: string;
  url: string;
  credential: UpstreamCredential;
  headers: Record<string, string>;
  pollSeconds: number;
  expect: Expectation | null;
  /** Whether new backups are looked into when they appear. */
  verify: boolean;
};

/** Undefined leaves a field as it is. */
export type InstanceChange = Partial<Omit<InstanceRequest, "name">> & { force?: boolean };

/** API.md "Instances": never a secret. */
export type InstanceView = {
  id: string;
  name: string;
  url: string;
  state: "reachable" | "unreachable" | "unauthorized" | "unchecked";
  credential: { kind: "token" | "password"; email?: string; expires?: string };
  pollSeconds: number;
  expect: Expectation | null;
  verify: boolean;
  /** Null when none was seen yet. */
  newestBackup: { key: string; modified: string; ageSeconds: number } | null;
  created: string;
  updated: string;
  check: Check | null;
  /** Sealed values that no configured ENCRYPTION_KEY opens, by name; what to do stands in the check's warnings. */
  locked: string[];
};

type Stored = {
  id: string;
  tag: string;
  name: string;
  url: string;
  source: "api" | "environment";
  credential: { kind: "token" | "password"; email?: string; expires?: number };
  pollSeconds: number;
  expect: Expectation | null;
  verify: boolean;
  created: number;
  updated: number;
  check: Check | null;
  /** When the present credential was entered, ms since the epoch. */
  credentialSince: number;
  /** Until when the one before it is kept; null when there is none. */
  previousUntil: number | null;
};

export const DEFAULT_POLL_SECONDS = 120;

type SealedName = "credential" | "previousCredential" | "headers" | "sessionKey" | "nudgeSecret";

/** A credential that was replaced is kept sealed this long: a restore may bring its superuser back. */
const PREVIOUS_KEPT_MS = 30 * 86_400_000;

/** The instance's own row and its sealed values: where the server is, and how the relay logs in there. */
export class Configuration {
  private readonly sql: SqlStorage;
  private readonly sealer: Sealer;
  private readonly clock: Clock;
  private readonly random: Random;
  private cached: Stored | null = null;
  private readonly opened = new Map<SealedName, string>();
  private readonly lockedNames = new Set<SealedName>();

  constructor(sql: SqlStorage, sealer: Sealer, clock: Clock, random: Random) {
    this.sql = sql;
    this.sealer = sealer;
    this.clock = clock;
    this.random = random;
  }

  get stored(): Stored | null {
    if (this.cached) return this.cached;
    const row = this.sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'instance'").toArray()[0];
    if (row) this.cached = JSON.parse(row.value);
    return this.cached;
  }

  /** Only for a registered instance. */
  get own(): Stored {
    const stored = this.stored;
    if (!stored) throw new Error("this instance is not registered");
    return stored;
  }

  /** Writes a new instance: its sealed values first, so that the row never stands without them. */
  async register(
    place: { id: string; tag: string },
    request: InstanceRequest,
    source: "api" | "environment",
  ): Promise<void> {
    const at = this.clock();
    const stored: Stored = {
      ...place,
      name: request.name,
      url: request.url,
      source,
      credential: describe(request.credential),
      pollSeconds: request.pollSeconds,
      expect: request.expect,
      verify: request.verify,
      created: at,
      updated: at,
      check: null,
      credentialSince: at,
      previousUntil: null,
    };
    this.cached = stored;
    if (source === "api") await this.sealCredential(request.credential, request.headers);
    await this.seal("sessionKey", base64url(this.random(32)));
    await this.seal("nudgeSecret", base64url(this.random(32)));
    this.write(stored);
  }

  /** A changed origin needs the credential again, or the password would be sent to a new host (SECURITY 20). */
  async change(change: InstanceChange): Promise<Result<null, Problem>> {
    const stored = this.own;
    if (stored.source === "environment") return fail(problem("configured_by_environment"));
    const moved = change.url !== undefined && new URL(change.url).origin !== new URL(stored.url).origin;
    if (moved && change.credential === undefined)
      return fail(
        problem("credential_required", {
          data: { credential: { code: "credential_required", message: "Needed because the address changes." } },
        }),
      );
    const headers = change.headers ?? (moved ? {} : await this.headersOrNone());
    const credential = change.credential ?? (await this.credential());
    const next: Stored = {
      ...stored,
      url: change.url ?? stored.url,
      pollSeconds: change.pollSeconds ?? stored.pollSeconds,
      expect: change.expect === undefined ? stored.expect : change.expect,
      verify: change.verify ?? stored.verify,
      updated: this.clock(),
    };
    if (change.credential && !moved) await this.keepPrevious();
    if (change.credential) next.credential = describe(change.credential);
    this.cached = next;
    if (change.credential || change.headers || moved) {
      if ("ok" in credential && !credential.ok) {
        this.cached = stored;
        return credential;
      }
      await this.sealCredential("ok" in credential ? credential.value : credential, headers);
      for (const name of ["sessionKey", "nudgeSecret"] as const)
        if (!(await this.unseal(name)).ok) await this.seal(name, base64url(this.random(32)));
    }
    this.write(next);
    return ok(null);
  }

  async credential(environment: UpstreamCredential | null = null): Promise<Result<UpstreamCredential, Problem>> {
    if (this.own.source === "environment")
      return environment
        ? ok(environment)
        : fail(problem("misconfigured", { message: "POCKETBASE_URL is not set any more." }));
    const text = await this.unseal("credential");
    return text.ok ? ok(JSON.parse(text.value)) : text;
  }

  /** What a restore has to know of the credential: since when it is there, and whether it outlives the next hours. */
  credentialFacts(): { since: number | null; lasts: boolean } {
    const { credential, credentialSince } = this.own;
    const lasts = credential.kind === "password" || (credential.expires ?? Infinity) > this.clock() + 2 * 3_600_000;
    return { since: credentialSince, lasts };
  }

  /** The credential before the present one, while it is still kept; null otherwise. */
  async previousCredential(): Promise<UpstreamCredential | null> {
    const until = this.own.previousUntil;
    if (until === null) return null;
    if (until < this.clock()) {
      this.sql.exec("DELETE FROM sealed WHERE name = 'previousCredential'");
      this.opened.delete("previousCredential");
      this.write({ ...this.own, previousUntil: null });
      return null;
    }
    const text = await this.unseal("previousCredential");
    return text.ok ? JSON.parse(text.value) : null;
  }

  /** Makes the previous credential the present one, and the other way round. */
  async swapCredentials(): Promise<void> {
    const previous = await this.previousCredential();
    const present = await this.credential();
    if (!previous || !present.ok) return;
    await this.seal("credential", JSON.stringify(previous));
    await this.seal("previousCredential", JSON.stringify(present.value));
    const at = this.clock();
    const credentialSince = at;
    this.write({ ...this.own, credential: describe(previous), credentialSince, previousUntil: at + PREVIOUS_KEPT_MS });
  }

  private async keepPrevious(): Promise<void> {
    const present = await this.credential();
    if (!present.ok) return;
    await this.seal("previousCredential", JSON.stringify(present.value));
    this.write({ ...this.own, previousUntil: this.clock() + PREVIOUS_KEPT_MS });
  }

  async headers(): Promise<Result<Record<string, string>, Problem>> {
    if (this.own.source === "environment") return ok({});
    const text = await this.unseal("headers");
    return text.ok ? ok(JSON.parse(text.value)) : text;
  }

  async sessionKey(): Promise<Result<Uint8Array<ArrayBuffer>, Problem>> {
    const text = await this.unseal("sessionKey");
    return text.ok ? ok(fromBase64url(text.value)!) : text;
  }

  async nudgeSecret(): Promise<Result<string, Problem>> {
    return this.unseal("nudgeSecret");
  }

  async rotateNudge(): Promise<string> {
    const secret = base64url(this.random(32));
    await this.seal("nudgeSecret", secret);
    return secret;
  }

  checked(check: Check): void {
    this.write({ ...this.own, check });
  }

  /** The environment decides the address of its instance anew at every start. */
  followEnvironment(url: string, credential: UpstreamCredential): void {
    const stored = this.own;
    const described = describe(credential);
    if (stored.url === url && JSON.stringify(stored.credential) === JSON.stringify(described)) return;
    this.write({ ...stored, url, credential: described, check: null, updated: this.clock() });
  }

  async view(newestBackup: InstanceView["newestBackup"]): Promise<InstanceView> {
    const stored = this.own;
    for (const name of ["credential", "headers", "sessionKey", "nudgeSecret"] as const)
      if (stored.source === "api" || name === "sessionKey" || name === "nudgeSecret") await this.unseal(name);
    const { check } = stored;
    return {
      id: stored.id,
      name: stored.name,
      url: stored.url,
      state: !check ? "unchecked" : !check.reachable ? "unreachable" : check.authorized ? "reachable" : "unauthorized",
      credential: {
        kind: stored.credential.kind,
        ...(stored.credential.email ? { email: stored.credential.email } : {}),
        ...(stored.credential.expires ? { expires: isoTime(stored.credential.expires) } : {}),
      },
      pollSeconds: stored.pollSeconds,
      expect: stored.expect,
      verify: stored.verify,
      newestBackup,
      created: isoTime(stored.created),
      updated: isoTime(stored.updated),
      check,
      locked: [...this.lockedNames],
    };
  }

  private async headersOrNone(): Promise<Record<string, string>> {
    const headers = await this.headers();
    return headers.ok ? headers.value : {};
  }

  private async sealCredential(credential: UpstreamCredential, headers: Record<string, string>): Promise<void> {
    await this.seal("credential", JSON.stringify(credential));
    await this.seal("headers", JSON.stringify(headers));
  }

  /** Credential and headers are bound to the origin they are meant for, the other values to the instance alone. */
  private context(name: SealedName): string {
    const { id, url } = this.own;
    const origin =
      name === "credential" || name === "previousCredential" || name === "headers" ? new URL(url).origin : "";
    return `${id}|sealed|${name}|${origin}`;
  }

  private async seal(name: SealedName, plain: string): Promise<void> {
    const value = await this.sealer.seal(plain, this.context(name));
    this.sql.exec("INSERT OR REPLACE INTO sealed (name, value) VALUES (?, ?)", name, value);
    this.opened.set(name, plain);
    this.lockedNames.delete(name);
  }

  private async unseal(name: SealedName): Promise<Result<string, Problem>> {
    const known = this.opened.get(name);
    if (known !== undefined) return ok(known);
    const row = this.sql.exec<{ value: string }>("SELECT value FROM sealed WHERE name = ?", name).toArray()[0];
    const opened = row ? await this.sealer.open(row.value, this.context(name)) : fail("locked" as const);
    if (!opened.ok) {
      this.lockedNames.add(name);
      return fail(
        problem("sealed_locked", {
          message: `The stored ${SEALED_WORDS[name]} cannot be opened with the configured ENCRYPTION_KEY.`,
        }),
      );
    }
    if (opened.value.old) await this.seal(name, opened.value.plain);
    this.opened.set(name, opened.value.plain);
    return ok(opened.value.plain);
  }

  private write(stored: Stored): void {
    this.cached = stored;
    this.sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('instance', ?)", JSON.stringify(stored));
  }
}

const SEALED_WORDS: { [N in SealedName]: string } = {
  credential: "credential of the server",
  previousCredential: "former credential of the server",
  headers: "extra headers",
  sessionKey: "signing key of sessions and tickets",
  nudgeSecret: "nudge secret",
};

function describe(credential: UpstreamCredential): Stored["credential"] {
  if (credential.kind === "password") return { kind: "password", email: credential.email };
  const payload = fromBase64url(credential.token.split(".")[1] ?? "");
  try {
    const claims: unknown = payload ? JSON.parse(new TextDecoder().decode(payload)) : null;
    const exp = claims && typeof claims === "object" && "exp" in claims ? claims.exp : null;
    return typeof exp === "number" ? { kind: "token", expires: exp * 1000 } : { kind: "token" };
  } catch {
    return { kind: "token" };
  }
}
