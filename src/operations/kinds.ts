import { runCreate } from "./create.ts";
import { runDelete } from "./delete.ts";
import type { OperationKinds } from "./kind.ts";
import { restoreCleanUp, runRestore } from "./restore.ts";
import { restoreData } from "./restore-data.ts";

/** Every kind of operation. A new one is a file with its run and a row here. */
export const kinds = {
  create: { run: runCreate, needsServer: true, change: "made", cleanUp: null, data: () => null },
  restore: { run: runRestore, needsServer: true, change: null, cleanUp: restoreCleanUp, data: restoreData },
  delete: { run: runDelete, needsServer: false, change: "deleted", cleanUp: null, data: () => null },
} satisfies OperationKinds;

export type KindName = keyof typeof kinds;

export const kindNames = Object.keys(kinds) as [KindName, ...KindName[]];
