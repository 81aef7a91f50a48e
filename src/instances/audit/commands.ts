import type { Page, PageRequest } from "../../base/page.ts";
import { problem } from "../../base/problem.ts";
import { fail, ok } from "../../base/result.ts";
import type { Handlers, Policies } from "../caller.ts";
import type { AuditFilter } from "./page.ts";
import type { Audit } from "./store.ts";
import type { AuditEntry } from "./view.ts";

export type AuditCommands = {
  "audit.list": { input: PageRequest & AuditFilter; output: Page<AuditEntry> };
};

export const auditPolicies: Policies<AuditCommands> = {
  "audit.list": { scope: "audit:read", audit: false },
};

/** Reading who did or tried what. */
export function auditHandlers({ audit }: { audit: Audit }): Handlers<AuditCommands> {
  return {
    "audit.list": ({ do: _do, ...request }) => {
      const page = audit.list(request);
      const cursor = { code: "validation_invalid_value", message: "This is no cursor of this list." };
      return page ? ok(page) : fail(problem("invalid_request", { data: { cursor } }));
    },
  };
}
