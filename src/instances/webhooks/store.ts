import type { ApiKey } from "../../access/key.ts";
import { effectiveScopes, isDisabled, isInTime, visibility } from "../../access/lineage.ts";
import { matcher } from "../../access/pattern.ts";
import type { Clock } from "../../base/clock.ts";
import { isoTime } from "../../base/clock.ts";
import type { EventReader } from "../../ledger/reader.ts";
import type {
  DisableRequest,
  EndpointProgress,
  FeedEvent,
  FeedPage,
  PullAnswer,
  PullRequest,
} from "../../webhooks/feed.ts";
import type { Format } from "../../webhooks/formats/render.ts";
import type { SignatureKind } from "../../webhooks/signature.ts";
import type { KeyStore } from "../keys/store.ts";
import type { Ledger } from "../ledger/store.ts";

/** An endpoint as its instance knows it: who owns it and which events are for it. Its secrets are in its own object. */
export type EndpointRecord = {
  id: string;
  /** The key that made it; null: an administrator. */
  owner: string | null;
  /** The owner and the keys above it when it was made: they see the endpoint, even when the owner was deleted since. */
  lineage: string[];
  types: string[];
  patterns: string[];
  state: "active" | "paused" | "disabled" | "deleting";
  /** In words, why it is not active. */
  reason: string | null;
  /** Counts how often it was made or resumed. What its object says of an earlier activation is ignored. */
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
  /** What names the ENCRYPTION_KEY that seals its secrets, as its object said last; undefined until it did. */
  sealedWith?: string;
};

type Deps = {
  storage: DurableObjectStorage;
  keys: KeyStore;
  ledger: Ledger;
  clock: Clock;
};

/** The endpoints of one instance, and which events each may have. That is decided anew at every pull. */
export class Endpoints {
  private readonly deps: Deps;
  private readonly records = new Map<string, EndpointRecord>();
  private readonly lastProgress = new Map<string, EndpointProgress>();
  /** What `deleting` answers, kept until a record is written. */
  private marked: readonly string[] | null = null;

  constructor(deps: Deps) {
    this.deps = deps;
    for (const { record } of deps.storage.sql.exec<{ record: string }>("SELECT record FROM endpoints")) {
      const read = JSON.parse(record) as EndpointRecord;
      this.records.set(read.id, read);
    }
  }

  get count(): number {
    return this.records.size;
  }

  find(id: string): EndpointRecord | null {
    return this.records.get(id) ?? null;
  }

  /** Ids of those whose removal was begun. */
  get deleting(): readonly string[] {
    this.marked ??= [...this.records.values()].filter(({ state }) => state === "deleting").map(({ id }) => id);
    return this.marked;
  }

  /** Sorted by id. */
  all(): EndpointRecord[] {
    return [...this.records.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  put(record: EndpointRecord): void {
    this.marked = null;
    this.records.set(record.id, record);
    this.deps.storage.sql.exec(
      "INSERT OR REPLACE INTO endpoints (id, record) VALUES (?, ?)",
      record.id,
      JSON.stringify(record),
    );
  }

  remove(id: string): void {
    this.marked = null;
    this.records.delete(id);
    this.lastProgress.delete(id);
    this.deps.storage.sql.exec("DELETE FROM endpoints WHERE id = ?", id);
  }

  /** The instance is being deleted: an endpoint that pulls from here on gets `unknown`. */
  markAllDeleting(): void {
    for (const record of this.records.values()) this.put({ ...record, state: "deleting" });
  }

  /** What its object reported last; null when it reported nothing since this object woke. */
  progress(id: string): EndpointProgress | null {
    return this.lastProgress.get(id) ?? null;
  }

  setProgress(id: string, progress: EndpointProgress): void {
    if (this.records.has(id)) this.lastProgress.set(id, progress);
  }

  /** Stored, so that an instance that wakes need not ask every endpoint what its secrets are sealed with. */
  setSealedWith(id: string, sealedWith: string): void {
    const record = this.records.get(id);
    if (record && record.sealedWith !== sealedWith) this.put({ ...record, sealedWith });
  }

  /** Answers an endpoint that asks what to send. */
  pull(id: string, request: PullRequest): PullAnswer {
    const record = this.records.get(id);
    if (!record || record.state === "deleting") return { state: "unknown" };
    this.lastProgress.set(id, request.progress);
    if (request.disabling) this.disable(record, request.disabling);
    const { state, activation } = this.checked(id);
    if (state !== "active") return { state: "inactive", activation };
    const reader = this.readerOf(record);
    const page = this.page(record, reader, request.after, request.limit);
    return { state: "active", activation, page, refetched: this.deps.ledger.pick(request.refetch, reader) };
  }

  /** The page after an active endpoint's cursor; null when nothing may be sent to it. */
  pageAfter(id: string, after: number, limit: number): FeedPage | null {
    if (this.checked(id).state !== "active") return null;
    const record = this.records.get(id)!;
    return this.page(record, this.readerOf(record), after, limit);
  }

  /** One event, by its id; null when it is kept no more or its owner may not read it. */
  event(record: EndpointRecord, eventId: string): FeedEvent | null {
    const seq = this.deps.ledger.seqOf(eventId);
    return seq === null ? null : (this.deps.ledger.pick([seq], this.readerOf(record))[0] ?? null);
  }

  /** The record, after its owner's rights were checked: an active endpoint whose owner may not read events is paused. */
  checked(id: string): EndpointRecord {
    const record = this.records.get(id)!;
    const reason = record.state === "active" ? this.whyOwnerMayNotRead(record.owner) : null;
    if (reason === null) return record;
    const paused: EndpointRecord = { ...record, state: "paused", reason };
    this.put(paused);
    return paused;
  }

  private page(record: EndpointRecord, reader: EventReader, after: number, limit: number): FeedPage {
    return this.deps.ledger.feed(after, limit, record.types, reader);
  }

  private whyOwnerMayNotRead(owner: string | null): string | null {
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

  /** The endpoint's state and its event are one transaction: a kill leaves both or neither. */
  private disable(record: EndpointRecord, { activation, cause, message, failingSince }: DisableRequest): void {
    if (record.state !== "active" || record.activation !== activation) return;
    const { storage, ledger } = this.deps;
    storage.transactionSync(() => {
      this.put({ ...record, state: "disabled", reason: message });
      ledger.append([
        {
          type: "webhook.disabled",
          data: {
            webhook: endpointFact(record),
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

/** An endpoint as events name it: of its address only the host. */
export const endpointFact = ({ id, origin, description }: EndpointRecord) => ({
  id,
  host: new URL(origin).host,
  ...(description ? { description } : {}),
});
