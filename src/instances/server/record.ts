import type { Expectation } from "../../observing/expectation.ts";
import type { ServerCheck } from "../../upstream/check-result.ts";
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

/** The row as it is stored; times are ms since the epoch. */
export type InstanceRecord = {
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
  check: ServerCheck | null;
  /** When the present credential was entered, ms since the epoch. */
  credentialSince: number;
  /** Until when the one before it is kept; null when there is none. */
  previousUntil: number | null;
};
