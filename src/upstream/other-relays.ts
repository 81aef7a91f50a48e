import { readServerTime, serverTimeText } from "../base/server-time.ts";
import type { UpstreamResult } from "./backups-api.ts";
import { itemsOf } from "./page-items.ts";

/** A record that proves a restore's outcome, as the server has it now. */
export type SeenCanary = {
  id: string;
  /** Planted by another relay, or by another instance of this one: a restore of somebody else's is under way. */
  foreign: boolean;
};

/** Whether others use the same server: two restores at once prove nothing about each other. */
export interface OtherRelays {
  /** Own canaries and fresh foreign ones, 200 at most. Believe it only of a superuser: a guest sees none. */
  canaries(signal?: AbortSignal): Promise<UpstreamResult<SeenCanary[]>>;
  /** Whether the server's log shows a request of another relay since then (ms, the server's clock). */
  otherRelaySeen(since: number, signal?: AbortSignal): Promise<UpstreamResult<boolean>>;
  /** 1 when the server's log shows a restore as accepted since then, else 0; a restore that happened removes its own row. */
  restoresAccepted(since: number, signal?: AbortSignal): Promise<UpstreamResult<number>>;
}

/** A relay watches a restore for an hour at most: what is older was left behind by one that was killed. */
const FRESH_MS = 3_600_000;

/** How a relay's instance shows itself in the server's log. `mark` tells one instance from every other. */
const PRODUCT = "backup-relay";
export const userAgent = (mark: string): string => `${PRODUCT} (${mark})`;

/** The fingerprint of a canary. Without a mark it is that of no instance, and foreign to all. */
export const fingerprint = (mark: string | undefined, nonce: string): string =>
  mark === undefined ? `relay-${nonce}` : `relay-${mark}-${nonce}`;

export const canariesQuery = (): string =>
  new URLSearchParams({ filter: 'fingerprint~"relay-"', sort: "-created", perPage: "200" }).toString();

/** Null when the answer is no page of records. `serverTime` is the server's own clock, null when it told none. */
export function canariesOf(json: unknown, mark: string | undefined, serverTime: number | null): SeenCanary[] | null {
  const seen = itemsOf(json)?.flatMap((item): SeenCanary[] => {
    const text = String(item?.fingerprint ?? "");
    if (!text.startsWith("relay-") || typeof item?.id !== "string") return [];
    const foreign = mark === undefined || !text.startsWith(fingerprint(mark, ""));
    const made = readServerTime(String(item.created));
    const stale = made !== null && serverTime !== null && serverTime - made > FRESH_MS;
    return foreign && stale ? [] : [{ id: item.id, foreign }];
  });
  return seen ?? null;
}

const since = (time: number): string => `created>="${serverTimeText(time)}"`;
const one = (filter: string): string => new URLSearchParams({ filter, perPage: "1" }).toString();

export const otherRelayQuery = (mark: string, time: number): string =>
  one(`data.userAgent~"${PRODUCT} (" && data.userAgent!~"(${mark})" && ${since(time)}`);

export const restoresQuery = (time: number): string =>
  one(`data.method="POST" && data.url~"/restore" && data.status=204 && ${since(time)}`);

/** How many rows a log page begins with, by its items alone; null when it is none. */
export const rowsIn = (json: unknown): number | null => itemsOf(json)?.length ?? null;
