import type { Clock } from "../../base/clock.ts";
import { fail, ok } from "../../base/result.ts";
import { entryOf, type ListedBackup, type Listing, type UpstreamResult } from "../../upstream/backups-api.ts";

type ListCall = { began: number; answer: Promise<UpstreamResult<Listing>> };

/**
 * What the server listed last. Callers that may share an answer join a call in flight, but only one that began after
 * the last finished change: an older one may show the list as it was before.
 */
export class ListingCache {
  private readonly clock: Clock;
  private readonly list: () => Promise<UpstreamResult<Listing>>;
  private readonly onListing: (listing: Listing, began: number) => void;
  private inFlight: ListCall | null = null;
  private changed = 0;
  private byKey: Map<string, ListedBackup[]> | null = null;

  constructor(
    clock: Clock,
    list: () => Promise<UpstreamResult<Listing>>,
    onListing: (listing: Listing, began: number) => void,
  ) {
    this.clock = clock;
    this.list = list;
    this.onListing = onListing;
  }

  /** To be called when something was, or may have been, changed: lists that began before are not used any more. */
  invalidate(): void {
    this.changed++;
  }

  /** A list that may be shared with others who asked meanwhile. */
  look(): Promise<UpstreamResult<Listing>> {
    return this.shared?.answer ?? this.start();
  }

  /** The call in flight that may be joined; null when there is none. */
  private get shared(): ListCall | null {
    return this.inFlight?.began === this.changed ? this.inFlight : null;
  }

  /** A list that begins now. */
  lookNow(): Promise<UpstreamResult<Listing>> {
    return this.start();
  }

  /** The entry as last seen; on a miss the server is asked once more. Null: not there when it was asked. */
  async find(key: string): Promise<UpstreamResult<ListedBackup | null>> {
    const known = this.byKey?.get(key);
    if (known?.length === 1) return ok(known[0]!);
    const underWay = this.shared !== null;
    const found = entryIn(await this.look(), key);
    // A list that was under way already may be older than the file.
    return underWay && found.ok && found.value === null ? entryIn(await this.look(), key) : found;
  }

  private start(): Promise<UpstreamResult<Listing>> {
    const began = this.changed;
    const at = this.clock();
    const call: ListCall = {
      began,
      answer: this.list().then((answer) => {
        if (this.inFlight === call) this.inFlight = null;
        if (answer.ok && began === this.changed) {
          this.byKey = Map.groupBy(answer.value.items, ({ key }) => key);
        }
        if (answer.ok) this.onListing(answer.value, at);
        return answer;
      }),
    };
    this.inFlight = call;
    return call.answer;
  }

  /** What was listed last; null when nothing was since the object woke. */
  last(): readonly ListedBackup[] | null {
    return this.byKey && [...this.byKey.values()].flat();
  }

  /** Forgets one entry that is known to be gone. */
  forget(key: string): void {
    this.invalidate();
    this.byKey?.delete(key);
  }
}

// Not from `byKey`: a change meanwhile keeps a list out of it, though it answers the question.
function entryIn(listing: UpstreamResult<Listing>, key: string): UpstreamResult<ListedBackup | null> {
  if (!listing.ok) return listing;
  const entry = entryOf(listing.value.items, key);
  return entry.ok ? entry : fail({ problem: entry.error, unclear: false, unauthorized: false });
}
