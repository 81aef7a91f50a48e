import { problem } from "../base/problem.ts";
import { fail, ok } from "../base/result.ts";
import type { BackupsApi, ListedBackup, UpstreamFault, UpstreamResult } from "./backups-api.ts";
import { type CronLog, createFailureOf, createLogQuery, cronFailuresOf, cronLogQuery } from "./cron-log.ts";
import { exchange, type UpstreamAnswer, type UpstreamCall, type Wire } from "./exchange.ts";
import { faultOf, invalidFault, silenceFault } from "./fault.ts";
import { healthOf, serverTimeOf } from "./health.ts";
import {
  canariesOf,
  canariesQuery,
  fingerprint,
  type OtherRelays,
  otherRelayQuery,
  restoresQuery,
  rowsIn,
} from "./other-relays.ts";
import { itemsOf } from "./page-items.ts";
import { backupPath, paths } from "./paths.ts";
import type { RestoreEvidence } from "./restore-evidence.ts";
import { restoreFailuresOf, restoreLogQuery } from "./restore-log.ts";
import { type SettingsApi, settingsOf } from "./server-settings.ts";
import { endOf, tokenClaims } from "./token.ts";

const MIB = 1024 * 1024;
const caps = { list: 16 * MIB, other: MIB };

/**
 * Longest wait per call, in ms. The server gives a list, a delete and the look before a restore 30 s of its own. A create
 * is silent until the archive is stored, and past 5 minutes its answer can no longer be written, though it works on: from
 * there on only looking helps.
 */
export const timeouts = { quick: 15_000, list: 35_000, change: 35_000, create: 310_000 };
export type Timeouts = typeof timeouts;

/** An empty token asks as a guest. */
export type PocketBaseOptions = Wire & { token: string; timeouts?: Partial<Timeouts> | undefined };

const missing: UpstreamFault = { problem: problem("backup_missing"), unclear: false, unauthorized: false };

function listedBackups(json: unknown): ListedBackup[] | null {
  if (!Array.isArray(json)) return null;
  const sound = json.every(
    (item) =>
      typeof item?.key === "string" &&
      typeof item.modified === "string" &&
      Number.isSafeInteger(item.size) &&
      item.size >= 0,
  );
  return sound ? (json as ListedBackup[]) : null;
}

const stringAt = (json: unknown, name: string): string | null => {
  const value = (json as Record<string, unknown> | null | undefined)?.[name];
  return typeof value === "string" && value !== "" ? value : null;
};

/** The id of the first item of a page; null of an empty one. */
const firstId = (answer: UpstreamAnswer): { value: { id: string } | null } | null => {
  const items = itemsOf(answer.json);
  if (items === null) return null;
  const id = stringAt(items[0], "id");
  return { value: id === null ? null : { id } };
};

/** Longest wait for a log row, in ms: rows are visible 3 s after the last logged request. */
const LOG_ROW_MS = 10_000;

const canaryPath = (id: string): string => `${paths.canaries}/${encodeURIComponent(id)}`;

/** PocketBase's own 404: a proxy's says nothing about the record. */
const absent = (answer: UpstreamAnswer): boolean =>
  answer.status === 404 && stringAt(answer.json, "message") === "The requested resource wasn't found.";

type PocketBaseRequest = Pick<UpstreamCall, "method" | "path" | "body" | "signal"> & {
  cap?: number;
  wait?: keyof Timeouts;
};

/**
 * One PocketBase or BosBase server seen with one token: the only place that knows its paths and answers. Holds nothing,
 * never logs in, never retries (session.ts does). Every fault is judged by fault.ts.
 */
export function pocketBase(
  options: PocketBaseOptions,
): BackupsApi & RestoreEvidence & SettingsApi & CronLog & OtherRelays {
  const wait = { ...timeouts, ...options.timeouts };

  /** `read` turns the expected status' answer into the value, or null when it cannot be one. */
  async function ask<T>(
    request: PocketBaseRequest,
    status: number | readonly number[],
    read: (answer: UpstreamAnswer) => { value: T } | null,
  ): Promise<UpstreamResult<T>> {
    const mutates = request.wait === "change" || request.wait === "create";
    const answer = await exchange(options, {
      ...request,
      token: options.token,
      cap: request.cap ?? caps.other,
      timeoutMs: wait[request.wait ?? "quick"],
    });
    if (!answer.ok) return fail(silenceFault(answer.error, mutates));
    if (![status].flat().includes(answer.value.status)) return fail(faultOf(answer.value, mutates));
    const found = read(answer.value);
    return found ? ok(found.value) : fail(invalidFault(mutates));
  }

  const done = (): { value: null } => ({ value: null });

  return {
    list: (signal) =>
      ask({ method: "GET", path: paths.backups, signal, cap: caps.list, wait: "list" }, 200, (answer) => {
        const items = listedBackups(answer.json);
        return items && { value: { items, serverTime: serverTimeOf(answer.headers) } };
      }),

    create: (name, signal) =>
      ask({ method: "POST", path: paths.backups, body: { name }, signal, wait: "create" }, 204, done),

    async delete(key, signal) {
      const path = backupPath(key);
      if (!path) return fail({ ...missing, problem: problem("backup_deleted") });
      return ask({ method: "DELETE", path, signal, wait: "change" }, 204, done);
    },

    async restore(key, signal) {
      const path = backupPath(key);
      return path ? ask({ method: "POST", path: `${path}/restore`, signal, wait: "change" }, 204, done) : fail(missing);
    },

    health: (signal) =>
      ask({ method: "GET", path: paths.health, signal }, 200, (answer) => {
        const value = healthOf(answer);
        return value && { value };
      }),

    fileToken: (signal) =>
      ask({ method: "POST", path: paths.fileToken, signal }, 200, (answer) => {
        const token = stringAt(answer.json, "token");
        // A life that cannot be read counts as over: the token then serves this once.
        return token === null
          ? null
          : { value: { token, expires: endOf(token, answer.headers, options.clock()) ?? 0 } };
      }),

    settings: (signal) =>
      ask({ method: "GET", path: paths.settings, signal }, 200, (answer) => {
        const value = settingsOf(answer.json);
        return value && { value };
      }),

    async plantCanary(nonce, signal) {
      const own = tokenClaims(options.token);
      if (!own) return fail(invalidFault());
      const { mark } = options;
      const body = { collectionRef: own.collectionId, recordRef: own.id, fingerprint: fingerprint(mark, nonce) };
      return ask({ method: "POST", path: paths.canaries, body, signal, wait: "change" }, 200, (answer) => {
        const id = stringAt(answer.json, "id");
        return id === null ? null : { value: { id } };
      });
    },

    findCanary: (nonce, signal) => {
      const filter = `fingerprint="${fingerprint(options.mark, nonce)}"`;
      const query = new URLSearchParams({ filter, perPage: "1" });
      return ask({ method: "GET", path: `${paths.canaries}?${query}`, signal }, 200, firstId);
    },

    async plantLogRow(nonce, sleep) {
      // Any request is logged; a list with a query nobody else sends is found by it.
      const planted = await ask({ method: "GET", path: `${paths.backups}?relay=${nonce}`, cap: caps.list }, 200, done);
      if (!planted.ok) return planted;
      const query = new URLSearchParams({ filter: `data.url~"${nonce}"`, perPage: "1" });
      for (let waited = 0; waited < LOG_ROW_MS; waited += 1_000) {
        await sleep(1_000);
        const found = await ask({ method: "GET", path: `${paths.logs}?${query}` }, 200, firstId);
        if (!found.ok || found.value) return found;
      }
      return ok(null);
    },

    logRowPresent: (id, signal) =>
      ask({ method: "GET", path: `${paths.logs}/${encodeURIComponent(id)}`, signal }, [200, 404], (answer) =>
        answer.status === 200 ? { value: true } : absent(answer) ? { value: false } : null,
      ),

    canaryPresent: (id, signal) =>
      ask({ method: "GET", path: canaryPath(id), signal }, [200, 404], (answer) =>
        answer.status === 200 ? { value: true } : absent(answer) ? { value: false } : null,
      ),

    removeCanary: (id, signal) =>
      ask({ method: "DELETE", path: canaryPath(id), signal, wait: "change" }, [204, 404], (answer) =>
        answer.status === 204 || absent(answer) ? { value: null } : null,
      ),

    restoreFailures: (since, signal) =>
      ask({ method: "GET", path: `${paths.logs}?${restoreLogQuery(since)}`, signal }, 200, (answer) => {
        const value = restoreFailuresOf(answer.json);
        return value && { value };
      }),

    canaries: (signal) =>
      ask({ method: "GET", path: `${paths.canaries}?${canariesQuery()}`, signal }, 200, (answer) => {
        const value = canariesOf(answer.json, options.mark, serverTimeOf(answer.headers));
        return value && { value };
      }),

    async otherRelaySeen(since, signal) {
      if (options.mark === undefined) return ok(false);
      const path = `${paths.logs}?${otherRelayQuery(options.mark, since)}`;
      return ask({ method: "GET", path, signal }, 200, (answer) => {
        const rows = rowsIn(answer.json);
        return rows === null ? null : { value: rows > 0 };
      });
    },

    restoresAccepted: (since, signal) =>
      ask({ method: "GET", path: `${paths.logs}?${restoresQuery(since)}`, signal }, 200, (answer) => {
        const value = rowsIn(answer.json);
        return value === null ? null : { value };
      }),

    createFailure: (since, signal) =>
      ask({ method: "GET", path: `${paths.logs}?${createLogQuery(since)}`, signal }, 200, (answer) => {
        const value = createFailureOf(answer.json);
        return value === undefined ? null : { value };
      }),

    cronFailures: (since, signal) =>
      ask({ method: "GET", path: `${paths.logs}?${cronLogQuery(since)}`, signal }, 200, (answer) => {
        const value = cronFailuresOf(answer.json);
        return value && { value };
      }),
  };
}
