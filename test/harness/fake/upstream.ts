import { Accounts } from "./accounts.ts";
import * as backups from "./backups.ts";
import { Bodies } from "./bodies.ts";
import { type CallName, callOf } from "./calls.ts";
import type { Content } from "./content.ts";
import { spoiled } from "./download.ts";
import { ConnectionCut, Faults, type Strikes } from "./faults.ts";
import { stamp } from "./log.ts";
import { type FakeVersion, Replies } from "./reply.ts";
import { told, withTelltaleHeaders } from "./telltale.ts";
import { type Pace, randomId, World } from "./world.ts";

export type FakeOptions = {
  version?: FakeVersion;
  /** Where the server's API begins, as behind a proxy that strips a prefix. */
  prefix?: string;
  email?: string;
  password?: string;
  /** The server's clock is this far ahead. */
  clockSkewMs?: number;
  /** Backups are kept in S3: whole seconds, no temporary files, other answers for what is missing. */
  s3?: boolean;
  pace?: Partial<Pace>;
  clock?: () => number;
  sleep?: (ms: number) => Promise<void>;
  fileTokenSeconds?: number;
  authTokenSeconds?: number;
};

export type SeenRequest = { at: number; call: CallName; method: string; path: string; headers: Record<string, string> };

/**
 * A PocketBase (or BosBase) in memory behind a web-standard `fetch`: answers as recorded from running servers
 * (upstream-samples), held to them by the contract suite, and breaks by name. Throws ConnectionCut where a real server
 * would close the connection without an answer.
 */
export class FakeUpstream {
  readonly faults = new Faults();
  readonly world: World;
  /** Every token and password this server issued or was shown: none of them may turn up anywhere else. */
  get secrets(): Set<string> {
    return this.accounts.secrets;
  }
  readonly requests: SeenRequest[] = [];
  readonly uploads: backups.Received[] = [];
  readonly accounts: Accounts;
  /** Answers whose bodies are being read right now. */
  readonly bodies = new Bodies();
  private readonly options: FakeOptions;
  private readonly replies: Replies;
  private readonly sleep: (ms: number) => Promise<void>;

  constructor(options: FakeOptions = {}) {
    this.options = options;
    this.sleep = options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
    const superuser = { email: options.email ?? "superuser@example.com", password: options.password ?? randomId() };
    const version = options.version ?? "0.40.6";
    this.world = new World(superuser, options.pace ?? {}, version === "bosbase");
    this.world.s3 = options.s3 ?? false;
    this.replies = new Replies(version, () => this.now());
    this.accounts = new Accounts(this.world, this.replies, () => this.now(), {
      auth: options.authTokenSeconds ?? 86_400,
      file: options.fileTokenSeconds ?? 180,
    });
  }

  /** The server's own clock. */
  now(): number {
    return (this.options.clock ?? Date.now)() + (this.options.clockSkewMs ?? 0);
  }

  get email(): string {
    return this.world.superuser.email;
  }

  get password(): string {
    return this.world.superuser.password;
  }

  /** Puts a backup there as its dashboard, cron or S3 would. `modified` in ms, the server's clock. */
  async put(key: string, content: Content | Uint8Array<ArrayBuffer>, modified = this.now()): Promise<void> {
    this.world.store(key, await this.world.prepared(content), modified);
  }

  /** A backup that the server made itself of its present state. */
  async make(key: string, modified = this.now()): Promise<void> {
    this.world.store(key, await this.world.prepared(await this.world.archive(modified)), modified);
  }

  /** One run of the server's own backup job: a backup, or, while the lock is held, a row in the log. */
  async cron(): Promise<void> {
    const now = this.now();
    const name = `@auto_pb_backup_acme_${stamp(now).replace(/\D/g, "").slice(0, 14)}.zip`;
    this.world.advance(now);
    if (this.world.lock === null) return this.make(name);
    this.cronFailure(name, "try again later - another backup/restore operation has already been started");
  }

  /** What the log says when that job fails. */
  cronFailure(name: string, error: string): void {
    this.world.log.add(this.now(), 8, "[Backup cron] Failed to create backup", { error, name });
  }

  remove(key: string): void {
    this.world.backups.delete(key);
  }

  /** A static superuser token, as made in the dashboard. */
  impersonate(seconds = 86_400 * 365): string {
    return this.accounts.issue("auth", "superuser", seconds);
  }

  /** Ends every token at once, as a changed password does. */
  revokeTokens(): void {
    this.world.superuser.tokenKey = randomId();
  }

  /** What goes wrong before or instead of the server's own work; null lets it work. */
  private async hindered(call: CallName, strikes: Strikes, request: Request): Promise<Response | null> {
    if (strikes.slow) await this.sleep(strikes.slow.ms);
    if (strikes.down) throw new ConnectionCut();
    if (strikes.rateLimited) return this.replies.error("E429");
    if (strikes.redirect) return new Response(null, { status: 307, headers: { Location: strikes.redirect.to } });
    if (strikes.ipRefused) return this.replies.error(call === "download" ? "E403DL" : "E403IP");
    if (strikes.telltale?.status) return told(this.replies, strikes.telltale, strikes.telltale.status, request);
    if (strikes.html && !strikes.html.worked) return this.replies.html(strikes.html.status);
    if (strikes.reset && !strikes.reset.worked) throw new ConnectionCut();
    if (call === "list") return null;
    if (strikes.invalidJson) return this.replies.text(200, '{"token":"ey');
    if (strikes.hugeJson) return this.replies.text(200, `{"a":"${" ".repeat(strikes.hugeJson.bytes)}"}`);
    return null;
  }

  /** Answers one request. In process it can be passed wherever the relay takes a `fetch`. */
  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = input instanceof Request && !init ? input : new Request(input as string, init);
    if (request.signal.aborted) throw request.signal.reason;
    const answering = this.answer(request);
    const gone = new Promise<never>((_, reject) => {
      request.signal.addEventListener("abort", () => reject(request.signal.reason), { once: true });
    });
    answering.catch(() => {});
    gone.catch(() => {});
    const response = await Promise.race([answering, gone]);
    if (request.method === "HEAD") return new Response(null, { status: response.status, headers: response.headers });
    return this.bodies.watched(response, request.signal);
  };

  private async answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const prefix = this.options.prefix ?? "";
    const path = url.pathname.startsWith(prefix) ? url.pathname.slice(prefix.length) : "/outside";
    const call = callOf(request.method, path);
    const now = this.now();
    this.requests.push({
      at: now,
      call,
      method: request.method,
      path: path + url.search,
      headers: Object.fromEntries(request.headers),
    });
    if (this.requests.length > 10_000) this.requests.shift();
    this.world.advance(now);
    if (now < this.world.downUntil) throw new ConnectionCut();
    const strikes = this.faults.strike(call);
    const turn = { world: this.world, replies: this.replies, request, url, now, strikes };
    const response = (await this.hindered(call, strikes, request)) ?? (await this.route(call, path, turn));
    const logged =
      call !== "logs" &&
      !(call === "health" && this.accounts.holder(request.headers.get("Authorization"), "auth") === null);
    if (logged) this.logRequest(request, path + url.search, response.status, now, strikes.failedCreate?.details);
    if (strikes.reset) throw new ConnectionCut();
    if (strikes.telltale) withTelltaleHeaders(response, strikes.telltale.words, request);
    const answered = strikes.html ? this.replies.html(strikes.html.status) : response;
    // Files are spoiled where they are served; here come the answers to all other calls.
    if ((call === "download" && !strikes.html) || !answered.body) return answered;
    return new Response(spoiled(answered.body, strikes), { status: answered.status, headers: answered.headers });
  }

  private logRequest(request: Request, path: string, status: number, at: number, details?: string): void {
    const data = {
      auth: "_superusers",
      method: request.method,
      status,
      type: "request",
      url: path,
      userAgent: request.headers.get("User-Agent") ?? "",
      userIP: "127.0.0.1",
      ...(details ? { details } : {}),
    };
    this.world.log.add(at, status >= 400 ? 8 : 0, `${request.method} ${path}`, data);
  }

  private async route(call: CallName, path: string, turn: backups.Turn): Promise<Response> {
    const { world, replies, request, url, now, strikes } = turn;
    const { method } = request;
    const who = this.accounts.holder(request.headers.get("Authorization"), "auth", strikes.deadToken);
    if (Number(request.headers.get("Content-Length") ?? 0) > 32 * 1024 * 1024 && call !== "upload")
      return replies.error("E413");
    const unknown = () => replies.error(method === "GET" && replies.version !== "bosbase" ? "E404F" : "E404");

    if (call === "health") {
      if (method !== "GET" && method !== "HEAD") return unknown();
      const data: Record<string, unknown> = {};
      if (who === "superuser" || replies.old) data.canBackup = world.lock === null;
      if (who === "superuser" && !replies.old) Object.assign(data, { realIP: "127.0.0.1", possibleProxyHeader: "" });
      if (who === "superuser" && replies.version === "bosbase") data.requireS3 = false;
      return replies.json(200, { message: "API is healthy.", code: 200, data });
    }
    if (call === "login") return this.accounts.login(request);
    if (call === "download") {
      const encoded = path.slice("/api/backups/".length);
      if (encoded === "" || encoded.includes("/")) return unknown();
      const token = url.searchParams.get("token");
      return backups.download(
        turn,
        decodeURIComponent(encoded),
        this.accounts.holder(token, "file", strikes.deadToken) === "superuser",
      );
    }
    if (call === "canary") return this.accounts.canary(request, path, who);
    if (call === "other") return unknown();

    if (who === null) return replies.error("E401");
    if (call === "fileToken") {
      if (method !== "POST") return unknown();
      return this.accounts.fileToken(who);
    }
    if (who !== "superuser") return replies.error("E403");
    if (call === "refresh") return this.accounts.refresh(request);
    if (call === "settings") {
      const kept = { cron: "", cronMaxKeep: 3, s3: { enabled: world.s3 } };
      const settings: Record<string, unknown> = { meta: { appName: "Acme" }, backups: kept };
      if (replies.version.startsWith("0.4") || replies.version.startsWith("0.39"))
        settings.superuserIPs = world.superuserIps;
      return replies.json(200, settings);
    }
    if (call === "logs") {
      if (path !== "/api/logs") {
        const row = world.log.find(now, "", "").find(({ id }) => path === `/api/logs/${id}`);
        return row ? replies.json(200, row) : replies.error("E404");
      }
      const items = world.log.find(now, url.searchParams.get("filter") ?? "", url.searchParams.get("sort") ?? "");
      const perPage = Number(url.searchParams.get("perPage") ?? 30);
      return replies.json(200, {
        items: items.slice(0, perPage),
        page: 1,
        perPage,
        totalItems: items.length,
        totalPages: 1,
      });
    }
    if (call === "crons") {
      if (method === "GET") return replies.json(200, [{ id: "__pbAutoBackup__", expression: "0 0 * * *" }]);
      if (path !== "/api/crons/__pbAutoBackup__") return replies.raw(404, "Missing or invalid cron job.");
      await this.cron();
      return replies.none();
    }
    if (call === "list") return method === "GET" || method === "HEAD" ? backups.list(turn) : replies.error("E404");
    if (call === "create") return backups.create(turn, this.sleep);
    if (call === "upload") return backups.upload(turn, this.uploads);
    const key = /^\/api\/backups\/([^/]+)(\/restore)?$/.exec(path);
    if (!key || (call === "restore") !== (key[2] !== undefined)) return replies.error("E404");
    const name = decodeURIComponent(key[1]!);
    return call === "delete" ? backups.remove(turn, name) : backups.restore(turn, name);
  }
}

export const fakeUpstream = (options: FakeOptions = {}): FakeUpstream => new FakeUpstream(options);
