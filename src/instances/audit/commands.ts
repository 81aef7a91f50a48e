import type { Page, PageRequest } from "../../base/page.ts";
import { problem } from "../../base/problem.ts";
import { fail, ok } from "../../base/result.ts";
import type { Handlers, Policies } from "../caller.ts";
import type { KeyStore } from "../keys/store.ts";
import type { AuditFilter } from "./page.ts";
import { auditReader } from "./reader.ts";
import type { Audit } from "./store.ts";
import type { AuditEntry } from "./view.ts";

export type AuditCommands = {
  "audit.list": { input: PageRequest & AuditFilter; output: Page<AuditEntry> };
};

export const auditPolicies: Policies<AuditCommands> = {
  "audit.list": { scope: "audit:read", audit: false },
};

type Deps = {
  audit: Audit;
  keys: KeyStore;
  /** Whether an action's target is a backup's name. */
  aboutBackup: (action: string) => boolean;
};

/** Reading who did or tried what. */
export function auditHandlers({ audit, keys, aboutBackup }: Deps): Handlers<AuditCommands> {
  return {
    "audit.list": ({ do: _do, ...request }, { lineage }) => {
      const page = audit.list(
        request,
        auditReader(lineage, aboutBackup, (id) => keys.lineage(id)),
      );
      const cursor = { code: "validation_invalid_value", message: "This is no cursor of this list." };
      return page ? ok(page) : fail(problem("invalid_request", { data: { cursor } }));
    },
  };
}
