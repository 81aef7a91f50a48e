import type { Lineage } from "../access/key.ts";
import type { Scope } from "../access/scope.ts";
import type { SessionClaims } from "../access/session.ts";
import type { Preflight } from "../archive/preflight.ts";
import type { BackupOrder, BackupView } from "../backups/view.ts";
import type { Problem } from "../base/problem.ts";
import type { Result } from "../base/result.ts";
import type { ChainVerdict } from "../ledger/chain.ts";
import type { Operation } from "../operations/operation.ts";
import type { Health, ListedBackup, UpstreamAccess } from "../upstream/backups-api.ts";
import type { Check } from "../upstream/check.ts";
import type { AuditEntry, AuditFilter } from "./audit.ts";
import type { InstanceChange, InstanceView } from "./instance-record.ts";
import type { KeyChange, KeyRequest, KeySelf, KeyView, MintedKey } from "./keys.ts";
import type { EventPage } from "./ledger.ts";
import type { OperationFilter } from "./operation-store.ts";
import { type WebhookCommands, webhookPolicies } from "./webhook-commands.ts";

/** The newest backup of a pattern, not older than so many seconds. */
export type Newest = { pattern: string | null; maxAgeSeconds: number | null };

export type Page<T> = { items: T[]; nextCursor: string | null };
export type PageRequest = { limit: number; cursor: string | null };

/** How a caller asks for an operation. */
export type Asked = {
  /** How long to wait for its end; a restore asked for through `/api` only until its preflight is over. */
  waitSeconds: number;
  /** `/v1` may wait in line and for an approval; `/api` is refused at once. */
  surface: "api" | "v1";
  /** Of the Idempotency-Key header, with a SHA-256 over method, path and body; null without one. */
  idempotency: { key: string; fingerprint: string } | null;
};

export type SessionGrant = { token: string; keyId: string; keyName: string; expires: number; created: number };

/** Everything that can be asked of an instance, by name: what goes in and what comes out. */
export type Commands = WebhookCommands & {
  "health.read": { input: object; output: Health };
  "backups.list": { input: object; output: ListedBackup[] };
  "backups.page": { input: PageRequest & { sort: BackupOrder }; output: Page<BackupView> };
  "backups.latest": { input: Newest; output: BackupView };
  /** The same for whoever is about to download it, and need not list for that. */
  "download.latest": { input: Newest; output: BackupView };
  "backups.create": {
    /** `unreadable` holds what was wrong with the body: a busy server says that it is busy first, as PocketBase does. */
    input: Asked & { name: string | null; unreadable: Problem | null };
    output: Operation;
  };
  "backups.delete": { input: Asked & { key: string }; output: Operation };
  "backups.restore": { input: Asked & { key: string; safetyBackup: boolean }; output: Operation };
  "backups.preflight": { input: { key: string }; output: Preflight };
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
  /** Whether the caller may upload at all, before its body is looked at. */
  "upload.ask": { input: object; output: null };
  "upload.reserve": {
    input: { name: string; size: number | null; strict: boolean };
    output: { access: UpstreamAccess; reservation: string };
  };
  "upload.confirm": { input: { reservation: string }; output: null };
  "session.create": { input: object; output: SessionGrant };
  "session.refresh": { input: object; output: SessionGrant };
  "ticket.create": { input: object; output: { token: string; expires: number } };
  "keys.create": { input: KeyRequest; output: MintedKey };
  "keys.list": { input: PageRequest; output: Page<KeyView> };
  "keys.read": { input: { id: string }; output: KeyView };
  "keys.change": { input: { id: string; change: KeyChange }; output: KeyView };
  "keys.rotate": { input: { id: string; graceSeconds: number | null }; output: MintedKey };
  "keys.delete": { input: { id: string }; output: null };
  "keys.self": { input: object; output: KeySelf };
  "operations.approve": { input: { id: string }; output: Operation };
  "operations.deny": { input: { id: string }; output: Operation };
  "operations.cancel": { input: { id: string }; output: Operation };
  "operations.undo": { input: Asked & { id: string }; output: Operation };
  "operations.list": { input: PageRequest & OperationFilter; output: Page<Operation> };
  "operations.read": { input: { id: string; waitSeconds: number }; output: Operation };
  "events.list": { input: { after: number; limit: number; types: string[] }; output: EventPage };
  /** The further pages of a stream: judged anew each time, counted once. */
  "events.follow": { input: { after: number; limit: number; types: string[] }; output: EventPage };
  "events.verify": { input: object; output: ChainVerdict };
  "audit.list": { input: PageRequest & AuditFilter; output: Page<AuditEntry> };
  "instance.read": { input: object; output: InstanceView };
  "instance.change": { input: InstanceChange; output: InstanceView };
  "instance.check": { input: object; output: Check };
  "instance.rotateNudge": { input: object; output: { place: { id: string; tag: string }; secret: string } };
};

export type CommandName = keyof Commands;
export type Command<N extends CommandName = CommandName> = { [K in N]: { do: K } & Commands[K]["input"] }[N];
export type Output<N extends CommandName> = Commands[N]["output"];

/**
 * What a command asks of its caller. `scope: null` admits any living key; `"admin"` only the administrator.
 * `target` names the input that holds a backup key, or the reservation that holds one, which the lineage's patterns must admit. `audit` writes a row before the command runs; reads that take nothing out write none, and `"itself"` leaves it to the command.
 */
export type Policy = {
  scope: Scope | "admin" | null;
  target?: "key" | "name" | "reservation";
  audit: boolean | "itself";
  /** Asks for the scope without using its daily quota: nothing is done. */
  free?: boolean;
  /** A further step of something already admitted: everything is checked again, but nothing is counted again. */
  again?: boolean;
  /** Credentials that may ask; all but tickets when left out. */
  credentials?: readonly ("admin" | "key" | "session" | "ticket")[];
};

export const policies: { [N in CommandName]: Policy } = {
  ...webhookPolicies,
  "health.read": { scope: null, audit: false },
  "backups.list": { scope: "backups:list", audit: false },
  "backups.page": { scope: "backups:list", audit: false },
  "backups.latest": { scope: "backups:list", audit: false },
  "backups.create": { scope: "backups:create", target: "name", audit: true },
  "backups.delete": { scope: "backups:delete", target: "key", audit: true },
  "backups.restore": { scope: "backups:restore", target: "key", audit: true },
  "backups.preflight": { scope: "backups:restore", target: "key", audit: true, free: true },
  "download.latest": { scope: "backups:download", audit: false, again: true },
  "download.open": {
    scope: "backups:download",
    target: "key",
    audit: "itself",
    credentials: ["admin", "key", "session", "ticket"],
  },
  "upload.ask": { scope: "backups:upload", audit: false, again: true },
  "upload.reserve": { scope: "backups:upload", target: "name", audit: true },
  "upload.confirm": { scope: "backups:upload", target: "reservation", audit: false, again: true },
  "session.create": { scope: null, audit: true, credentials: ["key"] },
  "session.refresh": { scope: null, audit: true, credentials: ["key", "session"] },
  "ticket.create": { scope: "backups:download", audit: true },
  "keys.create": { scope: "keys:write", audit: true },
  "keys.list": { scope: "keys:read", audit: false },
  "keys.read": { scope: "keys:read", audit: false },
  "keys.change": { scope: "keys:write", audit: true },
  "keys.rotate": { scope: "keys:write", audit: true },
  "keys.delete": { scope: "keys:write", audit: true },
  "keys.self": { scope: null, audit: false },
  "operations.approve": { scope: "operations:approve", audit: true },
  "operations.deny": { scope: "operations:approve", audit: true },
  "operations.cancel": { scope: null, audit: true },
  "operations.undo": { scope: "backups:restore", audit: true },
  "operations.list": { scope: "operations:read", audit: false },
  "operations.read": { scope: null, audit: false },
  "events.list": { scope: "events:read", audit: false },
  "events.follow": { scope: "events:read", audit: false, again: true },
  "events.verify": { scope: "events:read", audit: false },
  "audit.list": { scope: "audit:read", audit: false },
  "instance.read": { scope: "admin", audit: true },
  "instance.change": { scope: "admin", audit: true },
  "instance.check": { scope: "admin", audit: true },
  "instance.rotateNudge": { scope: "admin", audit: true },
};

/** A credential whose shape and tag the Worker has checked; only digests and signed tokens cross the RPC. */
export type Credential =
  | { kind: "admin" }
  | { kind: "key"; keyId: string; digest: string }
  | { kind: "session"; jwt: string }
  | { kind: "ticket"; jwt: string };

export type Caller = {
  credential: Credential;
  /** Null when the platform does not tell it. */
  address: string | null;
  userAgent: string;
  requestId: string;
};

/** One limit of a key as the RateLimit headers tell it (draft-ietf-httpapi-ratelimit-headers): `rate`, or a scope. */
export type LimitState = {
  name: string;
  limit: number;
  windowSeconds: number;
  remaining: number;
  resetSeconds: number;
};

/** `limits` holds what the request was counted against, or ran into. */
export type Answer<N extends CommandName = CommandName> = {
  result: Result<Output<N>, Problem>;
  limits: LimitState[];
};

/** Who was admitted, as handlers see it. */
export type Admitted = {
  caller: Caller;
  /** Null for the administrator, who has every right. */
  lineage: Lineage | null;
  actor: Actor;
  at: number;
  /** The audit row of this command's intent, null when its policy writes none. */
  auditRow: number | null;
  /** Of the session the caller used; null otherwise. */
  claims: SessionClaims | null;
  /** Of the secret the caller holds: what is minted for it carries this and ends with it. */
  generation: number;
  /** The scope is one that another principal has to agree to. */
  needsApproval: boolean;
};

/** Who was admitted: a key, or the administrator. */
export type Actor = { kind: "key" | "admin"; id?: string; name?: string };

export type Handlers<N extends CommandName = CommandName> = {
  [K in N]: (input: Command<K>, admitted: Admitted) => Promise<Result<Output<K>, Problem>> | Result<Output<K>, Problem>;
};
