import { checkNewName, isCreatableName } from "../../access/backup-name.ts";
import { utf8 } from "../../base/encoding.ts";
import { type Problem, problem } from "../../base/problem.ts";
import { problems } from "../../base/problems.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { nameExists } from "../../operations/name-exists.ts";
import type { UploadEnd } from "../../transfers/upload-call.ts";
import type { ListedBackup, UpstreamAccess } from "../../upstream/backups-api.ts";
import type { Audit } from "../audit/store.ts";
import { find } from "../backups/commands.ts";
import { pruning } from "../backups/pruning.ts";
import { type Admitted, DEFAULT_CREDENTIALS, type Handlers, type Policies } from "../caller.ts";
import type { MayUse } from "../claims.ts";
import type { ExpectedChanges } from "../ledger/expected-changes.ts";
import type { Server } from "../server/server.ts";
import type { Transfers } from "./store.ts";

/** Bytes of a name that a server's file system takes. */
const LONGEST_FILE_NAME = 255;

export type TransferCommands = {
  "download.open": {
    /** `transfer` names a running one that is healed or goes on with its next range. */
    input: {
      key: string;
      head: boolean;
      range: string | null;
      transfer: string | null;
      /** A file token the server turned down just now: it is not handed out again. */
      refusedToken: string | null;
      /** The file was not the one last listed: look before answering. */
      anew: boolean;
    };
    /** `transfer` is null for HEAD, which takes nothing out. */
    output: { backup: ListedBackup; access: UpstreamAccess; transfer: string | null };
  };
  /** Whether a download under way may still go on. */
  "download.goOn": { input: { key: string; transfer: string }; output: null };
  /** Whether the caller may upload at all, before its body is looked at. */
  "upload.ask": { input: object; output: null };
  "upload.reserve": {
    input: { name: string; size: number | null; strict: boolean };
    output: { access: UpstreamAccess; reservation: string };
  };
  "upload.confirm": { input: { reservation: string }; output: null };
};

export const transferPolicies: Policies<TransferCommands> = {
  "download.open": {
    scope: "backups:download",
    target: "key",
    audit: "handler",
    credentials: [...DEFAULT_CREDENTIALS, "ticket"],
  },
  "download.goOn": {
    scope: "backups:download",
    target: "key",
    audit: false,
    continuation: true,
    credentials: [...DEFAULT_CREDENTIALS, "ticket"],
  },
  "upload.ask": { scope: "backups:upload", audit: false, continuation: true },
  "upload.reserve": { scope: "backups:upload", also: pruning, target: "name", audit: true },
  "upload.confirm": {
    scope: "backups:upload",
    also: pruning,
    target: "reservation",
    audit: false,
    continuation: true,
  },
};

type Deps = {
  server: Server;
  transfers: Transfers;
  mayUse: MayUse;
  expected: ExpectedChanges;
  audit: Audit;
};

/**
 * The control side of transfers. The bytes flow between Worker and server; here they get their token, their second
 * admission, their reserved name and their audit row.
 */
export function transferHandlers({ server, transfers, mayUse, expected, audit }: Deps): Handlers<TransferCommands> {
  const access = async (use: "download" | "upload", refused?: string): Promise<Result<UpstreamAccess, Problem>> => {
    const connected = await server.connect();
    if (!connected.ok) return connected;
    const given = await connected.value.session.access(use, refused);
    return given.ok ? given : fail(given.error.problem);
  };
  /** The next look for this key asks the server: what was listed last may be gone or replaced without the relay. */
  const forget = async (key: string): Promise<void> => {
    const connected = await server.connect();
    if (connected.ok) connected.value.listings.forget(key);
  };
  const started = ({ actor, caller }: Admitted, key: string, range: string | null): number =>
    audit.admit(actor, "download", key, caller, range);

  return {
    "download.open": async ({ key, head, range, transfer, refusedToken, anew }, admitted) => {
      if (anew) await forget(key);
      const found = await find(server, key, "backup_not_found");
      if (!found.ok) return found;
      const given = await access("download", refusedToken ?? undefined);
      if (!given.ok) return given;
      const running = transfer && transfers.transfer(transfer)?.key === key ? transfer : null;
      const id = running ?? (head ? null : transfers.begin(key, range, started(admitted, key, range)));
      return ok({ backup: found.value, access: given.value, transfer: id });
    },

    "download.goOn": () => ok(null),

    "upload.ask": () => ok(null),

    "upload.reserve": async ({ name, size, strict }, { auditRow, actor }) => {
      const named = strict ? isCreatableName(name) : checkNewName(name);
      if (!named.ok) return named;
      const taken = (refusal: Problem) =>
        fail(strict ? problem("backup_conflict", { data: nameExists.upload }) : refusal);
      const held = mayUse("upload", name);
      if (held) return taken(held);
      const reservation = transfers.reserve(name, size, auditRow);
      await forget(name);
      const found = await find(server, name, "backup_not_found");
      if (found.ok || found.error.code !== "backup_not_found") {
        transfers.release(reservation);
        return found.ok ? taken(problem("backup_name_exists", { data: nameExists.upload })) : found;
      }
      const given = await access("upload");
      if (!given.ok) {
        transfers.release(reservation);
        return given;
      }
      expected.expect(name, "made", { actor, operation: null });
      return ok({ access: given.value, reservation });
    },

    "upload.confirm": ({ reservation }) => {
      const reserved = transfers.reservation(reservation);
      const mayEnd = reserved !== null && mayUse("upload", reserved.name, reservation) === null;
      return mayEnd ? ok(null) : fail(problem("upload_interrupted"));
    },
  };
}

/**
 * The Worker's report that an upload has left it; `sent` is null when the server cannot have stored anything. Unless it is
 * the `last` time, a list that does not show the file yet is `upload_unsettled`, and the Worker comes again.
 */
export type SettledUpload = UploadEnd & { reservation: string; name: string; last: boolean };

/**
 * The end of an upload, whoever asked for it and whatever became of its key: the server's answer is a hint, what the list
 * shows decides, and its size must be what was sent. The name is free again afterwards. When it is reported twice,
 * as after a lost answer, the list is read again.
 */
export async function settleUpload(
  { server, transfers, expected, audit }: Omit<Deps, "mayUse">,
  end: SettledUpload,
): Promise<Result<ListedBackup, Problem>> {
  const held = transfers.reservation(end.reservation);
  const settled = await stored(server, end);
  if (!settled.ok && settled.error.code === "upload_unsettled") return settled;
  transfers.release(end.reservation);
  // A backup that may still appear is this upload's, so the expectation stays.
  const mayShow = end.sent !== null && (end.problem === null || end.lost);
  if (held && !settled.ok && !mayShow) expected.withdraw(held.name, "made");
  const text = end.sent === null ? null : `${end.sent} bytes`;
  if (held && held.auditRow !== null) audit.outcome(held.auditRow, settled.ok ? null : settled.error.code, text);
  return settled;
}

async function stored(
  server: Server,
  { name, sent, problem: reported, last }: SettledUpload,
): Promise<Result<ListedBackup, Problem>> {
  const connected = await server.connect();
  if (!connected.ok) return connected;
  const { listings } = connected.value;
  listings.invalidate();
  if (sent === null) return fail(reported ?? problem("upload_interrupted"));
  const listing = await listings.look();
  const failure = (known: Problem) => fail(last ? known : problem("upload_unsettled"));
  // "Already exists" is also what the server says when it cannot reach its store, or its file system takes no such name.
  const exists = reported?.code === "backup_name_exists";
  if (!listing.ok) return failure(exists ? listing.error.problem : (reported ?? listing.error.problem));
  const found = listing.value.items.find((item) => item.key === name);
  if (exists)
    return fail(found || utf8(name).length > LONGEST_FILE_NAME ? reported : problem("upstream_storage_failed"));
  if (!found) return failure(reported ?? problem("upload_vanished"));
  if (found.size === sent) return ok(found);
  return fail(problem("upload_damaged", { message: `${sent} bytes were sent, the server lists ${found.size}.` }));
}

/** The end of a download, for its audit row. */
export function endDownload(
  { transfers, audit }: Pick<Deps, "transfers" | "audit">,
  id: string,
  bytes: number,
  outcome: string,
): void {
  const ended = transfers.end(id);
  if (!ended) return;
  // The runtime does not report how many bytes it passed on by itself.
  const sent = outcome === "handed_over" ? "handed over" : `${bytes} bytes, ${outcome}`;
  const detail = ended.range === null ? sent : `${sent}; ${ended.range}`;
  audit.outcome(ended.auditRow, outcome in problems ? outcome : null, detail);
}
