import type { ApiKey } from "../../access/key.ts";
import { effectiveScopes, isDisabled, isInTime, visibility } from "../../access/lineage.ts";
import { matcher } from "../../access/pattern.ts";
import type { Clock } from "../../base/clock.ts";
import { isoTime } from "../../base/clock.ts";
import type { EventReader } from "../../ledger/reader.ts";
import type { DisableRequest, EndpointProgress, FeedPage, PullAnswer, PullRequest } from "../../webhooks/feed.ts";
import type { Format } from "../../webhooks/formats/render.ts";
import type { SignatureKind } from "../../webhooks/signature.ts";
import type { KeyStore } from "../keys/store.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** An endpoint as its instance knows it: whose it is and what it may have. Its secrets are its own object's. */
export type EndpointRecord = {
  id: string;
  /** The key that made it; null: an administrator. */
  owner: string | null;
  /** The owner and the keys above it as they were then: who sees the endpoint, even when the owner is gone. */
  lineage: string[];
  types: string[];
  patterns: string[];
  state: "active" | "paused" | "disabled" | "deleting";
  /** In words, why it is not active. */
  reason: string | null;
  /** Counts up with every activation; what an endpoint says of an earlier one is too late. */
  activation: number;
  /** Scheme, host and port, all that is shown of the address. */
  origin: string;
  hasPath: boolean;
  headerNames: string[];
  description: string;
  format: Format;
  signatures: SignatureKind[];
  ratePerMinute: number | null;
  created: number;
  /** What names the ENCRYPTION_KEY that seals its secrets, as it said last; undefined until it did. */
  sealedWith?: string;
};

type Deps = {
  storage: DurableObjectStorage;
  keys: KeyStore;
  ledger: Ledger;
  clock: Clock;
};

/** The endpoints of one instance, and what of the ledger each may have: judged anew at every pull. */
export class Endpoints {
  private readonly deps: Deps;
  private readonly known = new Map<string, EndpointRecord>();
  private readonly told = new Map<string, EndpointProgress>();

  constructor(deps: Deps) {
    this.deps = deps;
    for (const { record } of deps.storage.sql.exec<{ record: string }>("SELECT record FROM endpoints")) {
      const read = JSON.parse(record) as EndpointRecord;
      this.known.set(read.id, read);
    }
  }

  get count(): number {
    return this.known.size;
  }

  find(id: string): EndpointRecord | null {
    return this.known.get(id) ?? null;
  }

  /** By id, which begins with the same characters for all of an instance. */
  all(): EndpointRecord[] {
    return [...this.known.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  put(record: EndpointRecord): void {
    this.known.set(record.id, record);
    this.deps.storage.sql.exec(
      "INSERT OR REPLACE INTO endpoints (id, record) VALUES (?, ?)",
      record.id,
      JSON.stringify(record),
    );
  }

  remove(id: string): void {
    this.known.delete(id);
    this.told.delete(id);
    this.deps.storage.sql.exec("DELETE FROM endpoints WHERE id = ?", id);
  }

  /** The instance goes: whoever of them asks from here on is told that it does not exist. */
  end(): void {
    for (const record of this.known.values()) this.put({ ...record, state: "deleting" });
  }

  /** What the endpoint said of itself last; null when it said nothing since this object woke. */
  progress(id: string): EndpointProgress | null {
    return this.told.get(id) ?? null;
  }

  learn(id: string, progress: EndpointProgress): void {
    if (this.known.has(id)) this.told.set(id, progress);
  }

  /** What the endpoint says its secrets are sealed with. Kept: an instance that wakes shall not ask everybody anew. */
  sealed(id: string, sealedWith: string): void {
    const record = this.known.get(id);
    if (record && record.sealedWith !== sealedWith) this.put({ ...record, sealedWith });
  }

  /** An endpoint asks what to send. */
  pull(id: string, request: PullRequest): PullAnswer {
    const record = this.known.get(id);
    if (!record || record.state === "deleting") return { state: "unknown" };
    this.told.set(id, request.progress);
    if (request.disabling) this.disable(record, request.disabling);
    const { state, activation } = this.judged(id);
    if (state !== "active") return { state: "inactive", activation };
    const reader = this.readerOf(record);
    const page = this.page(record, reader, request.after, request.limit);
    return { state: "active", activation, page, refetched: this.deps.ledger.pick(request.refetch, reader) };
  }

  /** What an active endpoint that stands at `after` has to get next; null when it may get nothing. */
  next(id: string, after: number, limit: number): { page: FeedPage; activation: number } | null {
    if (this.judged(id).state !== "active") return null;
    const record = this.known.get(id)!;
    return { page: this.page(record, this.readerOf(record), after, limit), activation: record.activation };
  }

  /** One event as this endpoint may have it; null when it is not kept any more or not for its owner. */
  event(record: EndpointRecord, find: { id: string }) {
    const seq = this.deps.ledger.seqOf(find.id);
    return seq === null ? null : (this.deps.ledger.pick([seq], this.readerOf(record))[0] ?? null);
  }

  /** The record as it is now: an owner who may not read events any more pauses the endpoint. */
  judged(id: string): EndpointRecord {
    const record = this.known.get(id)!;
    const against = record.state === "active" ? this.against(record.owner) : null;
    if (against === null) return record;
    const paused: EndpointRecord = { ...record, state: "paused", reason: against };
    this.put(paused);
    return paused;
  }

  private page(record: EndpointRecord, reader: EventReader, after: number, limit: number): FeedPage {
    return this.deps.ledger.feed(after, limit, record.types, reader);
  }

  private against(owner: string | null): string | null {
    if (owner === null) return null;
    const { keys, clock } = this.deps;
    const lineage = keys.lineage(owner);
    if (!lineage) return "The key that made it was deleted.";
    if (isDisabled(lineage)) return "The key that made it, or one above, is disabled.";
    if (!isInTime(lineage, clock())) return "The key that made it, or one above, is outside its time.";
    if (!effectiveScopes(lineage).includes("events:read")) return "The key that made it may not read events any more.";
    return null;
  }

  /** Only who may see every backup gets the stored text byte for byte (SECURITY 23, 28). */
  private readerOf({ owner, patterns }: EndpointRecord): EventReader {
    const lineage = owner === null ? null : this.deps.keys.lineage(owner);
    const levels: Pick<ApiKey, "patterns">[] = [{ patterns }, ...(lineage ?? [])];
    if (levels.every((level) => level.patterns.includes("*"))) return { everything: true };
    const own = matcher(patterns);
    const owners = lineage ? visibility(lineage) : () => true;
    return { everything: false, admits: (key) => own(key) && owners(key) };
  }

  /** The endpoint's state and the event that tells of it are one transaction. */
  private disable(record: EndpointRecord, { activation, cause, message, failingSince }: DisableRequest): void {
    if (record.state !== "active" || record.activation !== activation) return;
    const { storage, ledger } = this.deps;
    storage.transactionSync(() => {
      this.put({ ...record, state: "disabled", reason: message });
      ledger.append([
        {
          type: "webhook.disabled",
          data: {
            webhook: named(record),
            cause,
            message,
            failingSince: failingSince === null ? null : isoTime(failingSince),
            actor: { kind: "relay" },
          },
        },
      ]);
    });
  }
}

/** As events name an endpoint: of its address only the host. */
export const named = ({ id, origin, description }: EndpointRecord) => ({
  id,
  host: new URL(origin).host,
  ...(description ? { description } : {}),
});
