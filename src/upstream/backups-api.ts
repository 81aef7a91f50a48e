import type { Flavour } from "../archive/flavour.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";

/** One file as the server lists it. `modified` is the server's own text (a space, no `T`); unknown fields pass through. */
export type ListedBackup = { key: string; size: number; modified: string } & Record<string, unknown>;

export type Listing = {
  /** In the server's own order. */
  items: ListedBackup[];
  /** The server's `Date` in ms since the epoch, by which the age of a backup is judged; null when it sent none. */
  serverTime: number | null;
};

/** What `GET /api/health` answers. */
export type Health = {
  /** False when the server took us for a guest: the credential is dead. */
  superuser: boolean;
  /** False while the server's backup lock is held; null for guests. */
  idle: boolean | null;
  flavour: Flavour;
  realIp: string | null;
  possibleProxyHeader: string | null;
  serverTime: number | null;
  latencyMs: number;
  /** The range of PocketBase versions that the form of the answer allows for; null when it allows no conclusion. */
  age: ServerAge | null;
  /** The proxy that the answer's headers name. */
  proxy: "cloudflare" | "nginx" | null;
};

/** `>=0.40` and `<=0.22` answer in forms of their own; everything between looks alike from here. */
export type ServerAge = "<=0.22" | "0.23-0.39" | ">=0.40";

/** Why a call to the server did not end well. */
export type UpstreamFault = {
  problem: Problem;
  /** True when the server may have done, or may still be doing, what was asked: look at the list to know. */
  unclear: boolean;
  /** True when the server did not accept our credential. */
  unauthorized: boolean;
};

/** The entry of this key, byte for byte; null when there is none. Of two nobody knows which one a call would take. */
export function entryOf(items: readonly ListedBackup[], key: string): Result<ListedBackup | null, Problem> {
  const found = items.filter((item) => item.key === key);
  return found.length > 1 ? fail(problem("backup_ambiguous")) : ok(found[0] ?? null);
}

export type UpstreamResult<T> = Result<T, UpstreamFault>;

/** Enough to open one download or upload from the Worker. Crosses the RPC, lives in memory only, never leaves the relay. */
export type UpstreamAccess = {
  /** Without a trailing slash; a path prefix is kept. */
  baseUrl: string;
  /** Extra headers the instance's tunnel or proxy asks for. */
  headers: Record<string, string>;
  /** A file token for downloads, or the superuser's auth token for uploads. */
  token: string;
  /** ms since the epoch. */
  expires: number;
};

/**
 * The server's Backups API as the relay uses it: one logged-in view of one server. Implementations never throw and
 * never put raw upstream text into a problem. Calls are cut by their own timeouts (see each) or by the signal.
 */
export interface BackupsApi {
  /** Always unfiltered; at most 16 MiB are read. */
  list(signal?: AbortSignal): Promise<UpstreamResult<Listing>>;
  /** Synchronous on the server: the answer comes when the file is whole, and the work goes on if we hang up. */
  create(name: string, signal?: AbortSignal): Promise<UpstreamResult<null>>;
  delete(key: string, signal?: AbortSignal): Promise<UpstreamResult<null>>;
  /** The server answers before it starts: success means accepted, nothing more. */
  restore(key: string, signal?: AbortSignal): Promise<UpstreamResult<null>>;
  health(signal?: AbortSignal): Promise<UpstreamResult<Health>>;
  /** A token that opens every backup and protected file for about 180 s: never hand it to a caller. */
  fileToken(signal?: AbortSignal): Promise<UpstreamResult<{ token: string; expires: number }>>;
}
