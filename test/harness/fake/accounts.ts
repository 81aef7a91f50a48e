import type { Strikes } from "./faults.ts";
import { stamp } from "./log.ts";
import type { Replies } from "./reply.ts";
import { randomId, type World } from "./world.ts";

export type Who = "superuser" | "user";

const SUPERUSERS = "pbc_3142635823";
const ORIGINS = { collectionId: "pbc_4275539003", collectionName: "_authOrigins" };

const base64url = (value: unknown): string =>
  btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const bare = (text: string | null): string => text?.replace(/^bearer /i, "") ?? "";

/** Logins, tokens and the records that belong to them. A token is good while its superuser's token key is. */
export class Accounts {
  /** Every token and password issued or shown. */
  readonly secrets = new Set<string>();
  private readonly world: World;
  private readonly replies: Replies;
  private readonly now: () => number;
  private readonly lives: { auth: number; file: number };

  constructor(world: World, replies: Replies, now: () => number, lives: { auth: number; file: number }) {
    this.world = world;
    this.replies = replies;
    this.now = now;
    this.lives = lives;
    this.secrets.add(world.superuser.password);
  }

  issue(kind: "auth" | "file", who: Who, seconds: number, refreshable = false): string {
    const exp = Math.floor(this.now() / 1000) + seconds;
    const id = who === "superuser" ? this.world.superuser.id : "user00000000001";
    const claims = { collectionId: who === "superuser" ? SUPERUSERS : "_pb_users_auth_", exp, id, type: kind };
    const payload = base64url(kind === "auth" ? { ...claims, refreshable } : claims);
    const token = `${base64url({ alg: "HS256", typ: "JWT" })}.${payload}.${randomId()}${randomId()}`;
    const { tokenKey } = this.world.superuser;
    this.world.tokens.set(token, { kind, who, tokenKey, expires: exp * 1000, refreshable });
    this.secrets.add(token);
    return token;
  }

  /** Whose token this is, or null for a guest. */
  holder(text: string | null, kind: "auth" | "file", dead?: Strikes["deadToken"]): Who | null {
    const token = bare(text);
    if (token !== "") this.secrets.add(token);
    const issued = this.world.tokens.get(token);
    if (!issued || dead || issued.kind !== kind || issued.expires <= this.now()) return null;
    return issued.who === "user" || issued.tokenKey === this.world.superuser.tokenKey ? issued.who : null;
  }

  async login(request: Request): Promise<Response> {
    const { replies, world } = this;
    if (replies.old) return replies.error("E404");
    const body = (await request.json().catch(() => ({}))) as { identity?: unknown; password?: unknown };
    const blank: Record<string, unknown> = {};
    for (const field of ["identity", "password"] as const)
      if (typeof body[field] !== "string" || body[field] === "")
        blank[field] = { code: "validation_required", message: "Cannot be blank." };
    if (Object.keys(blank).length > 0) return replies.invalid(blank);
    this.secrets.add(body.password as string);
    const { email, password } = world.superuser;
    if (body.identity !== email || body.password !== password) return replies.error("ELOGIN");
    if (world.mfa) return replies.json(401, { mfaId: randomId() });
    return replies.json(200, { record: this.record(), token: this.signedIn() });
  }

  /** A token that is not refreshable comes back as it is. */
  refresh(request: Request): Response {
    const token = bare(request.headers.get("Authorization"));
    const fresh = this.world.tokens.get(token)?.refreshable ? this.signedIn() : token;
    return this.replies.json(200, { record: this.record(), token: fresh });
  }

  fileToken(who: Who): Response {
    return this.replies.json(200, { token: this.issue("file", who, this.lives.file) });
  }

  private signedIn(): string {
    return this.issue("auth", "superuser", this.lives.auth, this.replies.version !== "bosbase");
  }

  private record(): Record<string, unknown> {
    const { id, email } = this.world.superuser;
    const at = stamp(this.now());
    const collection = { collectionId: SUPERUSERS, collectionName: "_superusers" };
    return { ...collection, created: at, email, emailVisibility: false, id, updated: at, verified: true };
  }

  /** Rows of `_authOrigins`: to a guest every one of them is missing. */
  async canary(request: Request, path: string, who: Who | null): Promise<Response> {
    const { replies, world } = this;
    const id = path.slice("/api/collections/_authOrigins/records/".length);
    const filter = /^fingerprint(=|~)"(.*)"$/.exec(new URL(request.url).searchParams.get("filter") ?? "");
    if (request.method === "GET" && id === "") {
      const all = who === "superuser" ? [...world.canaries] : [];
      const items = all
        .filter(([, found]) => !filter || (filter[1] === "=" ? found === filter[2] : found.includes(filter[2]!)))
        .map(([found, fingerprint]) => ({ ...ORIGINS, fingerprint, id: found }));
      return replies.json(200, { items, page: 1, perPage: 30, totalItems: items.length, totalPages: 1 });
    }
    if (request.method === "POST") {
      if (who !== "superuser") return replies.error("E403SU");
      const body = (await request.json()) as Record<string, unknown>;
      const made = randomId();
      world.canaries.set(made, String(body.fingerprint));
      const at = stamp(this.now());
      return replies.json(200, { ...body, ...ORIGINS, created: at, id: made, updated: at });
    }
    const fingerprint = who === "superuser" ? world.canaries.get(id) : undefined;
    if (fingerprint === undefined) return replies.error("E404");
    if (request.method === "DELETE") {
      world.canaries.delete(id);
      return replies.none();
    }
    return replies.json(200, { ...ORIGINS, fingerprint, id });
  }
}
