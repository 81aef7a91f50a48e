import { backupKeyIn } from "../access/backup-name.ts";
import { parseTicketParameter } from "../access/credential.ts";
import { systemClock } from "../base/clock.ts";
import { type Problem, problem } from "../base/problem.ts";
import { type ProblemCode, problems } from "../base/problems.ts";
import { secureRandom } from "../base/random.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { systemSleep } from "../base/sleep.ts";
import { onPlainWorkerd } from "../bindings.ts";
import { conditions, joinsRanges } from "../http/forward.ts";
import { instanceOf } from "../instances/stub.ts";
import { download } from "../transfers/download.ts";
import type { UpstreamAccess } from "../upstream/backups-api.ts";
import { perform } from "./ask.ts";
import { type AppContext, refuse } from "./context.ts";
import { type ResolvedCaller, resolveCaller } from "./resolve-caller.ts";

/** `GET|HEAD /api/backups/{key}`: with a ticket in `?token=` as SDKs do, or with a key or session in the header. */
export async function downloadBackup(c: AppContext): Promise<Response> {
  const resolved = await callerOf(c);
  if (!resolved.ok) return refuse(c, resolved.error);
  const key = backupKeyIn(c.req.url);
  return key.ok ? new Download(c, resolved.value, key.value, false).answer() : refuse(c, key.error);
}

/** The same for the key that the relay found behind a moving address, such as `/v1/backups/latest/content`. */
export async function downloadFound(c: AppContext, key: string): Promise<Response> {
  if (joinsRanges(c.req.raw.headers)) return refuse(c, problem("range_unpinned"));
  const resolved = await resolveCaller(c);
  return resolved.ok ? new Download(c, resolved.value, key, true).answer() : refuse(c, resolved.error);
}

/** As in PocketBase a `?token=` counts before the header, and whoever is unknown gets PocketBase's 403. */
async function callerOf(c: AppContext): Promise<Result<ResolvedCaller, Problem>> {
  const asTicket = (resolved: Result<ResolvedCaller, Problem>) =>
    resolved.ok || resolved.error.code !== "unauthenticated" ? resolved : fail(problem("ticket_refused"));
  const offered = c.req.query("token");
  if (!offered)
    return c.req.header("authorization") ? asTicket(await resolveCaller(c)) : fail(problem("ticket_refused"));
  const ticket = parseTicketParameter(offered);
  // Any other text there is a failed attempt like a wrong credential in the header, and counts as one.
  return asTicket(await resolveCaller(c, { credential: ticket.ok ? ticket.value : null }));
}

/** PocketBase has one message for everybody who may not download; code and hint give the reason. */
const asDownloadError = (refused: Problem): Problem =>
  refused.code === "scope_missing" || refused.code === "network_refused"
    ? { ...refused, message: problems.ticket_refused.message }
    : refused;

/** How a file that was removed or replaced after it was listed is refused; on S3 a store that is down looks the same. */
const outdated: readonly ProblemCode[] = ["backup_changed", "backup_not_found", "upstream_storage_failed"];

/** One download. The instance checks the caller's rights before the first byte and again for every later request. */
class Download {
  private readonly c: AppContext;
  private readonly resolved: ResolvedCaller;
  private readonly key: string;
  private readonly moving: boolean;
  private readonly head: boolean;
  /** The instance's id of this transfer, once a token was given for its bytes; null for HEAD. */
  private running: string | null = null;
  private token: string | null = null;

  constructor(c: AppContext, resolved: ResolvedCaller, key: string, moving: boolean) {
    this.c = c;
    this.resolved = resolved;
    this.key = key;
    this.moving = moving;
    this.head = c.req.method === "HEAD";
  }

  /** When the file is not the one last listed, the instance lists anew and the download is tried once more. */
  async answer(): Promise<Response> {
    let answered = await this.attempt(false);
    if (!answered.ok && this.token !== null && outdated.includes(answered.error.code))
      answered = await this.attempt(true);
    return answered.ok ? answered.value : refuse(this.c, asDownloadError(answered.error));
  }

  private async attempt(anew: boolean): Promise<Result<Response, Problem>> {
    const { c } = this;
    const first = await this.open(false, anew);
    if (!first.ok) return first;
    let unused: UpstreamAccess | null = first.value.access;
    const answered = await download({
      request: { method: this.head ? "HEAD" : "GET", headers: c.req.raw.headers, signal: c.req.raw.signal },
      moving: this.moving,
      backup: first.value.backup,
      authorize: async (tokenRefused) => {
        const given = tokenRefused ? null : unused;
        unused = null;
        if (given) return ok(given);
        const again = await this.open(tokenRefused, false);
        return again.ok ? ok(again.value.access) : again;
      },
      refusal: () => this.refusal(),
      healing: c.get("settings").healing,
      metered: !onPlainWorkerd(c.env),
      fetch: (input, init) => fetch(input, init),
      clock: systemClock,
      sleep: systemSleep,
      random: secureRandom,
      onEnd: (end) => this.end(end.bytes, end.reason ?? end.outcome),
      background: (work) => c.executionCtx.waitUntil(work),
    });
    if (!answered.ok) this.end(0, answered.error.code);
    return answered;
  }

  private async open(refused: boolean, anew: boolean) {
    const opened = await perform(this.c, this.resolved, {
      do: "download.open",
      key: this.key,
      head: this.head,
      range: conditions(this.c.req.raw.headers, this.moving).sent.Range ?? null,
      transfer: this.running,
      refusedToken: refused ? this.token : null,
      anew,
    });
    if (opened.ok) {
      this.running = opened.value.transfer;
      this.token = opened.value.access.token;
    }
    return opened;
  }

  private async refusal(): Promise<Problem | null> {
    if (this.running === null) return null;
    const { key, running } = this;
    const asked = await perform(this.c, this.resolved, { do: "download.goOn", key, transfer: running });
    // An instance that cannot answer just now has not refused.
    return asked.ok || problems[asked.error.code].status >= 429 ? null : asked.error;
  }

  private end(bytes: number, outcome: string): void {
    const { running } = this;
    this.running = null;
    if (running === null) return;
    const instance = instanceOf(this.c.env, this.resolved.instanceId);
    // If this call is lost, only the outcome is missing from the audit row.
    this.c.executionCtx.waitUntil(instance.endDownload(running, bytes, outcome).catch(() => undefined));
  }
}
