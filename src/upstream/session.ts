import { problem } from "../base/problem.ts";
import { fail, ok } from "../base/result.ts";
import type { BackupsApi, UpstreamAccess, UpstreamFault, UpstreamResult } from "./backups-api.ts";
import type { CronLog } from "./cron-log.ts";
import type { Wire } from "./exchange.ts";
import { gate } from "./gate.ts";
import type { Inspection } from "./inspection.ts";
import { type Login, login, renew } from "./login.ts";
import { type PocketBaseOptions, pocketBase, type Timeouts } from "./pocketbase.ts";
import type { RestoreEvidence } from "./restore-evidence.ts";
import { singleFlight } from "./single-flight.ts";
import { tokenClaims, tokenExpiry } from "./token.ts";

export type UpstreamCredential =
  | { kind: "token"; token: string }
  | { kind: "password"; email: string; password: string };

export type SessionOptions = Wire & {
  credential: UpstreamCredential;
  /** A token from an earlier `onLogin`, so that an object that wakes up does not log in anew. */
  remembered?: string | null;
  /** Called with every token a password login or its renewal gave. Store it sealed or not at all. */
  onLogin?: (login: Login) => void;
  timeouts?: Partial<Timeouts>;
  /** How long a call waits for a free slot (gate.ts), in ms. */
  lineMs?: number;
};

type Server = BackupsApi & RestoreEvidence & Inspection & CronLog;

export interface UpstreamSession extends Server {
  /**
   * What the Worker needs to stream: a file token for downloads, the superuser's token for uploads. `refused` is a token
   * the server turned down just now; it is not handed out again.
   */
  access(use: "download" | "upload", refused?: string, signal?: AbortSignal): Promise<UpstreamResult<UpstreamAccess>>;
  /** Drops every token held, as after a changed credential or a restore. */
  forget(): void;
}

/** A file token is handed out only while it has this long to live, so that the request it is for can start. */
const FRESH_MS = 60_000;
/** A superuser token is renewed this long before its end. */
const RENEW_MS = 10 * 60_000;
/**
 * After the server turned a password down, or the token it had just given for it, it is not tried again for this long:
 * logins are rate limited and alarm people.
 */
const REFUSED_MS = 30_000;

/** A token in use. One that cannot be renewed is used until the server turns it down. */
type Held = Login & { renewAt: number };

function holding(login: Login, now: number, renewable: boolean): Held {
  if (login.expires === null || !renewable) return { ...login, renewAt: Number.POSITIVE_INFINITY };
  return { ...login, renewAt: login.expires - Math.min(RENEW_MS, Math.max(0, login.expires - now) / 4) };
}

/** What a guest is told: the server answered, but did not know our token. */
const guest: UpstreamFault = { problem: problem("upstream_unauthorized"), unclear: false, unauthorized: true };

/**
 * A logged-in view of one server, for the life of one Durable Object. Logs in at need and once for all who wait, renews
 * before the end, and on a dead token tries once more with a new one; then the fault is `upstream_unauthorized`. A call
 * whose outcome is unclear is never repeated. At most four calls fly at once, others wait a moment for their turn (gate.ts).
 */
export function upstreamSession(options: SessionOptions): UpstreamSession {
  const { credential, clock } = options;
  const wire: Wire = { baseUrl: options.baseUrl, headers: options.headers, fetch: options.fetch, clock };
  const flights = gate(options.lineMs);
  let held: Held | null = null;
  let refusal: { fault: UpstreamFault; until: number } | null = null;
  let file: { token: string; expires: number } | null = null;

  const known = credential.kind === "token" ? credential.token : options.remembered;
  if (known) held = holding({ token: known, expires: tokenExpiry(known) }, clock(), credential.kind === "password");

  const enter = singleFlight(async (): Promise<UpstreamResult<Login>> => {
    if (credential.kind === "token") return fail(guest);
    if (refusal && clock() < refusal.until) return fail(refusal.fault);
    const old = held;
    let result: UpstreamResult<Login> | null = null;
    if (old && tokenClaims(old.token)?.refreshable && (old.expires ?? 0) > clock())
      result = await renew(wire, old.token);
    if (!result?.ok) result = await login(wire, credential);
    if (result.ok) {
      held = holding(result.value, clock(), true);
      refusal = null;
      options.onLogin?.(result.value);
    } else if (result.error.unauthorized || result.error.problem.code === "upstream_mfa") {
      held = null;
      refusal = { fault: result.error, until: clock() + REFUSED_MS };
    }
    return result;
  });

  const usable = (): Held | null => (held && clock() < held.renewAt ? held : null);

  /** A token the server last took, or a new one when it is gone or about to end. */
  async function current(signal?: AbortSignal): Promise<UpstreamResult<Login>> {
    const own = usable();
    if (own) return ok(own);
    const entered = await enter(signal);
    // A renewal that failed for another reason than the credential does not end a token that still lives.
    if (!entered.ok && !entered.error.unauthorized && held && (held.expires ?? 0) > clock()) return ok(held);
    return entered;
  }

  const server = (token: string): Server => {
    const reached: PocketBaseOptions = { ...wire, token };
    if (options.timeouts) reached.timeouts = options.timeouts;
    return pocketBase(reached);
  };

  /** Runs a call with a token the server takes, logging in once more when it turns out that it does not. */
  async function trying<T>(
    call: (server: Server) => Promise<UpstreamResult<T>>,
    signal?: AbortSignal,
  ): Promise<UpstreamResult<T>> {
    const first = await current(signal);
    if (!first.ok) return first;
    const answer = await call(server(first.value.token));
    if (answer.ok || !answer.error.unauthorized || answer.error.unclear || credential.kind === "token") return answer;
    if (refusal && clock() < refusal.until) return answer;
    if (held?.token === first.value.token) held = null;
    const second = await current(signal);
    if (!second.ok) return second;
    const again = await call(server(second.value.token));
    // Logging in works and does not help, as behind a proxy that takes the header away: more logins would not either.
    if (!again.ok && again.error.unauthorized) refusal = { fault: again.error, until: clock() + REFUSED_MS };
    return again;
  }

  const flying = <T>(
    call: (server: Server) => Promise<UpstreamResult<T>>,
    signal?: AbortSignal,
  ): Promise<UpstreamResult<T>> => flights.pass("call", () => trying(call, signal));

  const mint = singleFlight(() =>
    flights.pass("mint", async () => {
      const minted = await trying((it) => it.fileToken());
      if (minted.ok) file = minted.value;
      return minted;
    }),
  );

  async function fileToken(signal?: AbortSignal): Promise<UpstreamResult<{ token: string; expires: number }>> {
    return file && file.expires - clock() >= FRESH_MS ? ok(file) : mint(signal);
  }

  return {
    list: (signal) => flying((it) => it.list(signal), signal),
    create: (name, signal) => flying((it) => it.create(name, signal), signal),
    delete: (key, signal) => flying((it) => it.delete(key, signal), signal),
    restore: (key, signal) => flying((it) => it.restore(key, signal), signal),
    health: (signal) =>
      flying(async (it) => {
        const health = await it.health(signal);
        return health.ok && !health.value.superuser && health.value.age !== "<=0.22" ? fail(guest) : health;
      }, signal),
    settings: (signal) => flying((it) => it.settings(signal), signal),
    plantCanary: (nonce, signal) => flying((it) => it.plantCanary(nonce, signal), signal),
    findCanary: (nonce, signal) => flying((it) => it.findCanary(nonce, signal), signal),
    plantLogRow: (nonce, sleep) => flying((it) => it.plantLogRow(nonce, sleep)),
    logRowPresent: (id, signal) => flying((it) => it.logRowPresent(id, signal), signal),
    canaryPresent: (id, signal) => flying((it) => it.canaryPresent(id, signal), signal),
    removeCanary: (id, signal) => flying((it) => it.removeCanary(id, signal), signal),
    restoreFailures: (since, signal) => flying((it) => it.restoreFailures(since, signal), signal),
    createFailure: (since, signal) => flying((it) => it.createFailure(since, signal), signal),
    cronFailures: (since, signal) => flying((it) => it.cronFailures(since, signal), signal),
    fileToken,

    async access(use, refused, signal) {
      if (file?.token === refused) file = null;
      if (held && held.token === refused && credential.kind === "password") held = null;
      const own = usable();
      const signedIn = () => (own ? ok(own) : flights.pass("mint", () => current(signal)));
      const given = use === "download" ? await fileToken(signal) : await signedIn();
      if (!given.ok) return given;
      const expires = given.value.expires ?? Number.MAX_SAFE_INTEGER;
      return ok({ baseUrl: wire.baseUrl, headers: wire.headers, token: given.value.token, expires });
    },

    forget() {
      held = credential.kind === "token" ? held : null;
      file = null;
      refusal = null;
    },
  };
}
