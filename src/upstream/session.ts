import { problem } from "../base/problem.ts";
import { fail, ok } from "../base/result.ts";
import type { BackupsApi, UpstreamAccess, UpstreamFault, UpstreamResult } from "./backups-api.ts";
import { callSlots } from "./call-slots.ts";
import type { CronLog } from "./cron-log.ts";
import type { Wire } from "./exchange.ts";
import { type Login, login, renew } from "./login.ts";
import type { OtherRelays } from "./other-relays.ts";
import { type PocketBaseOptions, pocketBase, type Timeouts } from "./pocketbase.ts";
import type { RestoreEvidence } from "./restore-evidence.ts";
import type { SettingsApi } from "./server-settings.ts";
import { singleFlight } from "./single-flight.ts";
import { tokenClaims, tokenExpiry } from "./token.ts";

export type UpstreamCredential =
  | { kind: "token"; token: string }
  | { kind: "password"; email: string; password: string };

export type SessionOptions = Wire & {
  credential: UpstreamCredential;
  timeouts?: Partial<Timeouts>;
  /** How long a call waits for a free slot (call-slots.ts), in ms. */
  queueMs?: number;
};

type Server = BackupsApi & RestoreEvidence & SettingsApi & CronLog & OtherRelays;

export interface UpstreamSession extends Server {
  /**
   * What the Worker needs to stream: a file token for downloads, the superuser's token for uploads. `refused` is a token
   * the server just rejected; it is not handed out again.
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
 * After the server rejected a password, or a token it had just issued for it, no login is tried for this long: logins are
 * rate limited, and each may send the superuser an e-mail.
 */
const REFUSED_MS = 30_000;

/** A token in use. One that cannot be renewed (`renewAt` infinite) is used until the server rejects it. */
type Held = Login & { renewAt: number };

function renewable(login: Login, now: number): Held {
  if (login.expires === null) return { ...login, renewAt: Number.POSITIVE_INFINITY };
  return { ...login, renewAt: login.expires - Math.min(RENEW_MS, Math.max(0, login.expires - now) / 4) };
}

/** The server answered, but took us for a guest: it did not accept our token. */
const guestFault: UpstreamFault = { problem: problem("upstream_unauthorized"), unclear: false, unauthorized: true };

/**
 * A logged-in view of one server, for the life of one Durable Object. Logs in at need and once for all who wait, renews
 * before the end, and after a rejected token tries once more with a new one; then the fault is `upstream_unauthorized`. A
 * call whose outcome is unclear is never repeated. At most four calls are in flight, others wait (call-slots.ts).
 */
export function upstreamSession(options: SessionOptions): UpstreamSession {
  const { credential, clock } = options;
  const { baseUrl, headers, fetch, mark } = options;
  const wire: Wire = { baseUrl, headers, fetch, clock, mark };
  const calls = callSlots(options.queueMs);
  let held: Held | null = null;
  let refusal: { fault: UpstreamFault; until: number } | null = null;
  let file: { token: string; expires: number } | null = null;

  if (credential.kind === "token")
    held = { token: credential.token, expires: tokenExpiry(credential.token), renewAt: Number.POSITIVE_INFINITY };

  const logIn = singleFlight(async (): Promise<UpstreamResult<Login>> => {
    if (credential.kind === "token") return fail(guestFault);
    if (refusal && clock() < refusal.until) return fail(refusal.fault);
    const old = held;
    let result: UpstreamResult<Login> | null = null;
    if (old && tokenClaims(old.token)?.refreshable && (old.expires ?? 0) > clock())
      result = await renew(wire, old.token);
    if (!result?.ok) result = await login(wire, credential);
    if (result.ok) {
      held = renewable(result.value, clock());
      refusal = null;
    } else if (result.error.unauthorized || result.error.problem.code === "upstream_mfa") {
      held = null;
      refusal = { fault: result.error, until: clock() + REFUSED_MS };
    }
    return result;
  });

  const usable = (): Held | null => (held && clock() < held.renewAt ? held : null);

  /** The token in use, or a new one when there is none or it is about to end. */
  async function current(signal?: AbortSignal): Promise<UpstreamResult<Login>> {
    const own = usable();
    if (own) return ok(own);
    const loggedIn = await logIn(signal);
    // When a renewal fails for another reason than the credential, the old token is used until its end.
    if (!loggedIn.ok && !loggedIn.error.unauthorized && held && (held.expires ?? 0) > clock()) return ok(held);
    return loggedIn;
  }

  const serverWith = (token: string): Server => {
    const connection: PocketBaseOptions = { ...wire, token };
    if (options.timeouts) connection.timeouts = options.timeouts;
    return pocketBase(connection);
  };

  /** Makes a call with the token in use; when the server rejects that, logs in and makes the call once more. */
  async function authorized<T>(
    call: (server: Server) => Promise<UpstreamResult<T>>,
    signal?: AbortSignal,
  ): Promise<UpstreamResult<T>> {
    const first = await current(signal);
    if (!first.ok) return first;
    const answer = await call(serverWith(first.value.token));
    if (answer.ok || !answer.error.unauthorized || answer.error.unclear || credential.kind === "token") return answer;
    if (refusal && clock() < refusal.until) return answer;
    if (held?.token === first.value.token) held = null;
    const second = await current(signal);
    if (!second.ok) return second;
    const again = await call(serverWith(second.value.token));
    // Logging in works but does not help, as behind a proxy that removes the header: more logins would not help either.
    if (!again.ok && again.error.unauthorized) refusal = { fault: again.error, until: clock() + REFUSED_MS };
    return again;
  }

  const inSlot = <T>(
    call: (server: Server) => Promise<UpstreamResult<T>>,
    signal?: AbortSignal,
  ): Promise<UpstreamResult<T>> => calls.run("call", () => authorized(call, signal));

  const newFileToken = singleFlight(() =>
    calls.run("token", async () => {
      const fetched = await authorized((it) => it.fileToken());
      if (fetched.ok) file = fetched.value;
      return fetched;
    }),
  );

  async function fileToken(signal?: AbortSignal): Promise<UpstreamResult<{ token: string; expires: number }>> {
    return file && file.expires - clock() >= FRESH_MS ? ok(file) : newFileToken(signal);
  }

  return {
    list: (signal) => inSlot((it) => it.list(signal), signal),
    create: (name, signal) => inSlot((it) => it.create(name, signal), signal),
    delete: (key, signal) => inSlot((it) => it.delete(key, signal), signal),
    restore: (key, signal) => inSlot((it) => it.restore(key, signal), signal),
    health: (signal) =>
      inSlot(async (it) => {
        const health = await it.health(signal);
        return health.ok && !health.value.superuser && health.value.age !== "<=0.22" ? fail(guestFault) : health;
      }, signal),
    settings: (signal) => inSlot((it) => it.settings(signal), signal),
    plantCanary: (nonce, signal) => inSlot((it) => it.plantCanary(nonce, signal), signal),
    findCanary: (nonce, signal) => inSlot((it) => it.findCanary(nonce, signal), signal),
    plantLogRow: (nonce, sleep) => inSlot((it) => it.plantLogRow(nonce, sleep)),
    logRowPresent: (id, signal) => inSlot((it) => it.logRowPresent(id, signal), signal),
    canaryPresent: (id, signal) => inSlot((it) => it.canaryPresent(id, signal), signal),
    removeCanary: (id, signal) => inSlot((it) => it.removeCanary(id, signal), signal),
    restoreFailures: (since, signal) => inSlot((it) => it.restoreFailures(since, signal), signal),
    canaries: (signal) => inSlot((it) => it.canaries(signal), signal),
    otherRelaySeen: (since, signal) => inSlot((it) => it.otherRelaySeen(since, signal), signal),
    restoresAccepted: (since, signal) => inSlot((it) => it.restoresAccepted(since, signal), signal),
    createFailure: (since, signal) => inSlot((it) => it.createFailure(since, signal), signal),
    cronFailures: (since, signal) => inSlot((it) => it.cronFailures(since, signal), signal),
    fileToken,

    async access(use, refused, signal) {
      if (file?.token === refused) file = null;
      if (held && held.token === refused && credential.kind === "password") held = null;
      const own = usable();
      const authToken = () => (own ? ok(own) : calls.run("token", () => current(signal)));
      const given = use === "download" ? await fileToken(signal) : await authToken();
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
