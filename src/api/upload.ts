import type { AppContext } from "../http/context.ts";
export const uploadBackup = (c: AppContext): Response => c.json({}, 503);
export const uploadRaw = (c: AppContext, _key: unknown): Response => c.json({}, 503);
