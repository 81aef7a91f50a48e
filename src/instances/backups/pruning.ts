import { isReservedName } from "../../access/backup-name.ts";
import type { Scope } from "../../access/scope.ts";

/**
 * The further scope that a new file of this name needs: the server and the relay delete by these names (SECURITY 12), so
 * whoever stores one deletes others.
 */
export const pruning = (_input: unknown, name: string | null): Scope[] =>
  name !== null && isReservedName(name) ? ["backups:delete"] : [];
