import type { UpstreamResult } from "./backups-api.ts";

/** The server's settings, as far as the relay judges them. */
export type ServerSettings = {
  /** Backups go to S3 instead of the server's own disk. */
  s3: boolean;
  /** Length of the superuser IP allow-list; null where there is none to have (PocketBase < 0.38, BosBase). */
  superuserIps: number | null;
  /** The application's name, by which the server generates backup names; null when it is not known. */
  appName: string | null;
};

/** The server's settings, which only the instance's check asks for. */
export interface SettingsApi {
  settings(signal?: AbortSignal): Promise<UpstreamResult<ServerSettings>>;
}

/** Reads `GET /api/settings`; null when the answer holds no backup settings. */
export function settingsOf(json: unknown): ServerSettings | null {
  const settings = json as
    | { backups?: { s3?: { enabled?: unknown } }; superuserIPs?: unknown; meta?: { appName?: unknown } }
    | null
    | undefined;
  const s3 = settings?.backups?.s3?.enabled;
  if (typeof s3 !== "boolean") return null;
  const listed = settings?.superuserIPs;
  const appName = settings?.meta?.appName;
  return {
    s3,
    superuserIps: Array.isArray(listed) ? listed.length : null,
    appName: typeof appName === "string" ? appName : null,
  };
}
