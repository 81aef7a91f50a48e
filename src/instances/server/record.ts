import { isoTime } from "../../base/clock.ts";
import type { Expectation } from "../../observing/overdue.ts";
import type { Check } from "../../upstream/check-result.ts";
import type { UpstreamCredential } from "../../upstream/session.ts";

/** Where an instance is found: `tag` proves that the relay made the id. */
export type Place = { id: string; tag: string; name: string };

export type InstanceRequest = {
  name: string;
  url: string;
  credential: UpstreamCredential;
  headers: Record<string, string>;
  pollSeconds: number;
  expect: Expectation | null;
  /** Whether new backups are looked into when they appear. */
  verify: boolean;
};

/** Undefined leaves a field as it is. */
export type InstanceChange = Partial<Omit<InstanceRequest, "name">> & { force?: boolean };

/** API.md "Instances": never a secret. */
export type InstanceView = {
  id: string;
  name: string;
  url: string;
  state: "reachable" | "unreachable" | "unauthorized" | "unchecked";
  credential: { kind: "token" | "password"; email?: string; expires?: string };
  /** Names of the extra headers. */
  headers: string[];
  pollSeconds: number;
  expect: Expectation | null;
  verify: boolean;
  /** Null when none was seen yet. */
  newestBackup: { key: string; modified: string; ageSeconds: number } | null;
  created: string;
  updated: string;
  check: Check | null;
  /** Sealed values that no configured ENCRYPTION_KEY opens, by name; what to do stands in the check's warnings. */
  locked: string[];
  /** Sealed values that another than the first ENCRYPTION_KEY sealed; 0 when the old key can be taken away. */
  leftToReseal: number;
};

/** The row as it is stored; times are ms since the epoch. */
export type Stored = {
  id: string;
  tag: string;
  name: string;
  url: string;
  source: "api" | "environment";
  credential: { kind: "token" | "password"; email?: string; expires?: number };
  /** Names of the extra headers, so that their loss is noticed. */
  headerNames: string[];
  pollSeconds: number;
  expect: Expectation | null;
  verify: boolean;
  created: number;
  updated: number;
  check: Check | null;
  /** When the present credential was entered, ms since the epoch. */
  credentialSince: number;
  /** Until when the one before it is kept; null when there is none. */
  previousUntil: number | null;
};

/** What an administrator is shown of the row, with what is kept in memory and in the sealed values. */
export function instanceView(
  stored: Stored,
  known: Pick<InstanceView, "newestBackup" | "locked" | "leftToReseal">,
): InstanceView {
  const { check, credential } = stored;
  return {
    id: stored.id,
    name: stored.name,
    url: stored.url,
    state: !check ? "unchecked" : !check.reachable ? "unreachable" : check.authorized ? "reachable" : "unauthorized",
    credential: {
      kind: credential.kind,
      ...(credential.email ? { email: credential.email } : {}),
      ...(credential.expires ? { expires: isoTime(credential.expires) } : {}),
    },
    headers: stored.headerNames,
    pollSeconds: stored.pollSeconds,
    expect: stored.expect,
    verify: stored.verify,
    created: isoTime(stored.created),
    updated: isoTime(stored.updated),
    check,
    ...known,
  };
}
