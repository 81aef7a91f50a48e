import type { Clock } from "../base/clock.ts";
import type { Problem } from "../base/problem.ts";
import { type Claim, holds, operationClaims, refusalBy, undoClaims } from "../operations/claims.ts";
import type { OperationStore } from "./operations/store.ts";
import type { Transfers } from "./transfers/store.ts";

/**
 * Whether a create, upload, delete or restore of this key may begin or go on: null, or why not. What the operation or
 * upload `self` holds does not stand in its own way. The answer holds for the turn it is given in.
 */
export type MayUse = (verb: string, key: string, self?: string) => Problem | null;

type Deps = { transfers: Transfers; operations: OperationStore; clock: Clock };

/** Answers who holds the name of a backup, for what and until when. Whatever else is to hold one is a source more. */
export function buildClaims({ transfers, operations, clock }: Deps): MayUse {
  const sources: readonly ((key: string) => readonly Claim[])[] = [
    (key) => transfers.claims(key),
    (key) => operationClaims(operations.active(), key),
    (key) => undoClaims(operations.recent(), key),
  ];
  return (verb, key, self) => {
    const now = clock();
    const claims = sources.flatMap((claimsOn) => claimsOn(key));
    const others = claims.filter((claim) => claim.holder !== self && holds(claim, now));
    return refusalBy(others, verb);
  };
}
