import { accessProblems } from "./problems/access.ts";
import { backupsProblems } from "./problems/backups.ts";
import { instancesProblems } from "./problems/instances.ts";
import { keysProblems } from "./problems/keys.ts";
import { operationsProblems } from "./problems/operations.ts";
import { requestsProblems } from "./problems/requests.ts";
import { restoresProblems } from "./problems/restores.ts";
import { transfersProblems } from "./problems/transfers.ts";
import { upstreamProblems } from "./problems/upstream.ts";
import { webhooksProblems } from "./problems/webhooks.ts";

/**
 * Every code the relay answers, with its HTTP status, its public message (PocketBase's own words where PocketBase has
 * the same refusal, because SDK users match on them) and a hint that says what to do. The entries stand in
 * `problems/`, one file per domain, each code in one of them; `docs/errors.md` explains each, and a test keeps the two
 * equal.
 */
export const problems = {
  ...accessProblems,
  ...backupsProblems,
  ...instancesProblems,
  ...keysProblems,
  ...operationsProblems,
  ...requestsProblems,
  ...restoresProblems,
  ...transfersProblems,
  ...upstreamProblems,
  ...webhooksProblems,
} as const;

export type ProblemCode = keyof typeof problems;
