import { type Problem, problem } from "../base/problem.ts";
import { nameExists } from "./name-exists.ts";
import type { Operation } from "./operation.ts";
import { isRestore } from "./restore-data.ts";
import { keptUntil, UNDO_MS } from "./undo.ts";

/** That an operation or an upload needs the name of a backup for itself. */
export type Claim = {
  /** The id of an operation or of an upload. */
  holder: string;
  /** `upload`, `safety_backup`, `undo_backup`, or the kind of the operation whose target it is. */
  purpose: string;
  /** False while its operation waits in line or for an approval. */
  begun: boolean;
  /** When it ends by itself, ms since the epoch; null: it ends with its holder. */
  until: number | null;
};

/** No claim that ends by itself is made for longer, ms: one that ends later was made by a clock that ran ahead. */
const LONGEST_CLAIM_MS = UNDO_MS;

/** Whether a claim holds still. */
export const holds = ({ until }: Claim, now: number): boolean =>
  until === null || (now < until && until <= now + 2 * LONGEST_CLAIM_MS);

/** What operations that have not ended hold of a key: each its target, a restore its safety backup as well. */
export function operationClaims(active: readonly Operation[], key: string): Claim[] {
  return active.flatMap((operation) => {
    const { id, kind, state, target, approval } = operation;
    const claim = {
      holder: id,
      begun: state === "running",
      until: state === "awaiting_approval" ? (approval?.expires ?? null) : null,
    };
    if (target.key === key) return [{ ...claim, purpose: kind }];
    return isRestore(operation) && operation.data.safetyKey === key ? [{ ...claim, purpose: "safety_backup" }] : [];
  });
}

/** What restores hold of a key after their end as well: the backup that they can be undone by. */
export function undoClaims(operations: readonly Operation[], key: string): Claim[] {
  return operations.filter(isRestore).flatMap((restore) => {
    const until = restore.data.safety?.key === key ? keptUntil(restore) : null;
    return until === null ? [] : [{ holder: restore.id, purpose: "undo_backup", begun: true, until }];
  });
}

type Rule = { refuses: (claim: Claim) => boolean; refusal: Problem };

/** Purposes of claims that are not those of an operation on its target. */
const NOT_A_TARGET = ["upload", "safety_backup", "undo_backup"];

/**
 * By verb (a kind of operation, or `upload`), which claims refuse it and how; the first rule that one meets counts. A
 * verb without rules is never refused. Creates and restores wait for a running restore in the queue, not here.
 */
const rules: { readonly [verb: string]: readonly Rule[] } = {
  create: [
    {
      refuses: ({ purpose }) => purpose === "upload",
      refusal: problem("upload_reserved", { data: nameExists.create }),
    },
  ],
  upload: [
    {
      refuses: ({ purpose }) => purpose !== "undo_backup",
      refusal: problem("upload_reserved", { data: nameExists.upload }),
    },
  ],
  delete: [
    {
      refuses: ({ purpose, begun }) => begun && !NOT_A_TARGET.includes(purpose),
      refusal: problem("backup_in_use"),
    },
    {
      refuses: ({ purpose }) => purpose === "delete",
      refusal: problem("backup_in_use", {
        hint: "A delete of it was asked for and waits: decide about that one or cancel it (GET /v1/operations?kind=delete).",
      }),
    },
    {
      refuses: ({ purpose, begun }) => purpose === "safety_backup" && begun,
      refusal: problem("backup_in_use", {
        hint: "A restore is running: until its outcome neither the restored backup nor its safety backup goes.",
      }),
    },
    {
      refuses: ({ purpose }) => purpose === "undo_backup",
      refusal: problem("backup_in_use", {
        hint: "It is the way back from a restore less than 24 hours ago; the relay keeps it until then.",
      }),
    },
  ],
  restore: [
    {
      refuses: ({ purpose, begun }) => purpose === "delete" && begun,
      refusal: problem("backup_in_use", { hint: "It is being deleted; list the backups when that has ended." }),
    },
  ],
};

/** Why these claims refuse a verb, or null (SECURITY 16: nothing touches what a running restore needs). */
export function refusalBy(claims: readonly Claim[], verb: string): Problem | null {
  return rules[verb]?.find(({ refuses }) => claims.some(refuses))?.refusal ?? null;
}
