/** PocketBase's paths. A key travels as exactly one segment, encoded once. */
export const paths = {
  backups: "/api/backups",
  upload: "/api/backups/upload",
  health: "/api/health",
  fileToken: "/api/files/token",
  login: "/api/collections/_superusers/auth-with-password",
  refresh: "/api/collections/_superusers/auth-refresh",
  settings: "/api/settings",
  logs: "/api/logs",
  canaries: "/api/collections/_authOrigins/records",
} as const;

/**
 * The path of one backup, or null for a key that no URL can carry: `.` and `..` would be folded into another endpoint
 * by every URL parser, encoded or not, and half a surrogate pair has no UTF-8.
 */
export function backupPath(key: string): string | null {
  if (key === "" || key === "." || key === ".." || !key.isWellFormed()) return null;
  return `${paths.backups}/${encodeURIComponent(key)}`;
}
