import type { Flavour } from "../../archive/flavour.ts";
import type { RangeReader } from "../../archive/ranges.ts";
import type { Clock } from "../../base/clock.ts";
import { type Problem, problem } from "../../base/problem.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import type { Reach } from "../../http/reach.ts";
import type { Settings } from "../../settings.ts";
import type { Listing, UpstreamFault } from "../../upstream/backups-api.ts";
import { checkOf } from "../../upstream/check.ts";
import type { ServerCheck } from "../../upstream/check-result.ts";
import type { Fetch } from "../../upstream/exchange.ts";
import { isAway } from "../../upstream/fault.ts";
import { inspect } from "../../upstream/inspect.ts";
import { rangeReader } from "../../upstream/range-reader.ts";
import { type UpstreamCredential, type UpstreamSession, upstreamSession } from "../../upstream/session.ts";
import { explained } from "../../upstream/unanswered.ts";
import { ListingCache } from "./listing-cache.ts";
import type { Configuration } from "./store.ts";

/** The instance's server as the object holds it: one logged-in session, what it listed last, and the bytes of its backups. */
export type Connected = {
  session: UpstreamSession;
  listings: ListingCache;
  reader: (backup: { key: string; size: number }) => RangeReader;
};

/** Opens the sealed credential once and keeps the session until the configuration changes. */
export class Server {
  private readonly configuration: Configuration;
  private readonly settings: Settings;
  private readonly fetch: Fetch;
  private readonly clock: Clock;
  private readonly reach: Reach | null;
  private readonly onListing: (listing: Listing, began: number) => void;
  private connected: Promise<Result<Connected, Problem>> | null = null;

  constructor(
    configuration: Configuration,
    settings: Settings,
    fetch: Fetch,
    clock: Clock,
    reach: Reach | null,
    onListing: (listing: Listing, began: number) => void,
  ) {
    this.configuration = configuration;
    this.settings = settings;
    this.fetch = fetch;
    this.clock = clock;
    this.reach = reach;
    this.onListing = onListing;
  }

  connect(): Promise<Result<Connected, Problem>> {
    this.connected ??= this.open().then((opened) => {
      if (!opened.ok) this.connected = null;
      return opened;
    });
    return this.connected;
  }

  /** What was listed before a backup changed does not count any more. False when the server cannot be asked at all. */
  async backupChanged(key: string, deleted: boolean): Promise<boolean> {
    const connected = await this.connect();
    if (!connected.ok) return false;
    const { listings } = connected.value;
    if (deleted) listings.forget(key);
    else listings.invalidate();
    return true;
  }

  /** After a change of address, credential or headers. */
  reset(): void {
    this.connected = null;
  }

  /** Looks at the server and keeps what was found. The problem is the reason against it, null when there is none. */
  async check(): Promise<Result<{ check: ServerCheck; refusal: Problem | null }, Problem>> {
    const connected = await this.connect();
    if (!connected.ok) return connected;
    const credential = await this.configuration.credential(this.settings.environmentInstance?.credential);
    const headers = await this.configuration.headers();
    if (!credential.ok) return credential;
    if (!headers.ok) return headers;
    const observed = await inspect({
      baseUrl: this.configuration.own.url,
      headers: headers.value,
      fetch: this.fetch,
      clock: this.clock,
      credential: credential.value,
      edge: this.settings.clientAddress.from === "cloudflare",
      session: connected.value.session,
      reach: this.reach,
    });
    const found = checkOf(observed);
    this.configuration.checked(found.check);
    return ok(found);
  }

  /** The fault with what is in the way, as far as another try can tell. */
  explained(fault: UpstreamFault): Promise<UpstreamFault> {
    return explained(fault, this.configuration.own.url, this.fetch, this.reach);
  }

  /** As the server shows it now or, when it does not answer, as the last check saw it. */
  async flavour(): Promise<Flavour> {
    const connected = await this.connect();
    const health = connected.ok ? await connected.value.session.health() : connected;
    const seen = health.ok ? health.value.flavour : "unknown";
    return seen === "unknown" ? (this.configuration.own.check?.flavour ?? seen) : seen;
  }

  /**
   * Tries the credential before the present one, as after a restore that brought its superuser back. When the server takes
   * it, it is the present one from here on. `unseen`: the server was away, so nothing is known.
   */
  async tryPrevious(): Promise<"taken" | "refused" | "unseen"> {
    const previous = await this.configuration.previousCredential();
    const headers = await this.configuration.headers();
    if (!previous || !headers.ok) return "refused";
    const health = await this.sessionWith(previous, headers.value).health();
    if (!health.ok) return isAway(health.error.problem) ? "unseen" : "refused";
    await this.configuration.swapCredentials();
    this.reset();
    return "taken";
  }

  private async open(): Promise<Result<Connected, Problem>> {
    const { own } = this.configuration;
    const environment = this.settings.environmentInstance;
    if (own.source === "environment" && !environment)
      return fail(problem("misconfigured", { message: "POCKETBASE_URL is not set any more." }));
    const credential = await this.configuration.credential(environment?.credential ?? null);
    if (!credential.ok) return credential;
    const headers = await this.configuration.headers();
    if (!headers.ok) return headers;
    const session = this.sessionWith(credential.value, headers.value);
    const listings = new ListingCache(this.clock, () => session.list(), this.onListing);
    const reader: Connected["reader"] = (backup) =>
      rangeReader(this.fetch, (refused) => session.access("download", refused), backup);
    return ok({ session, listings, reader });
  }

  private sessionWith(credential: UpstreamCredential, headers: Record<string, string>): UpstreamSession {
    const { url, id } = this.configuration.own;
    return upstreamSession({ baseUrl: url, mark: id, headers, credential, fetch: this.fetch, clock: this.clock });
  }
}
