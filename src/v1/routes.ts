import { auditRoutes } from "./audit.ts";
import { backupRoutes } from "./backups.ts";
import { eventRoutes } from "./events.ts";
import { healthRoutes } from "./health.ts";
import { instanceRoutes } from "./instances.ts";
import { keyRoutes } from "./keys.ts";
import { nudgeRoutes } from "./nudge.ts";
import { operationRoutes } from "./operations.ts";
import type { Relay, Route } from "./route.ts";
import { publicWebhookRoutes } from "./webhook-public.ts";
import { webhookRoutes } from "./webhooks.ts";

/** Every `/v1` route. Where two paths match a request the first one answers, so `latest` stands before `{key}`. */
export const v1Routes: readonly Route[] = [
  ...instanceRoutes,
  ...keyRoutes,
  ...backupRoutes,
  ...operationRoutes,
  ...eventRoutes,
  ...publicWebhookRoutes,
  ...webhookRoutes,
  ...nudgeRoutes,
  ...auditRoutes,
  ...healthRoutes,
];

export function mountV1(app: Relay): void {
  for (const route of v1Routes) route.mount(app);
}
