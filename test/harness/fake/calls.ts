/** The calls a fault can be tied to. */
export type CallName =
  | "list"
  | "create"
  | "upload"
  | "download"
  | "delete"
  | "restore"
  | "health"
  | "login"
  | "refresh"
  | "fileToken"
  | "canary"
  | "logs"
  | "settings"
  | "crons"
  | "other";

/** Which call a request is, by method and path below the prefix. */
export function callOf(method: string, path: string): CallName {
  if (path === "/api/backups") return method === "POST" ? "create" : "list";
  if (path === "/api/backups/upload" && method === "POST") return "upload";
  if (path === "/api/health") return "health";
  if (path === "/api/files/token") return "fileToken";
  if (path.endsWith("/auth-with-password")) return "login";
  if (path.endsWith("/auth-refresh")) return "refresh";
  if (path.startsWith("/api/collections/_authOrigins/")) return "canary";
  if (path.startsWith("/api/logs")) return "logs";
  if (path === "/api/settings") return "settings";
  if (path.startsWith("/api/crons")) return "crons";
  if (!path.startsWith("/api/backups/")) return "other";
  if (method === "DELETE") return "delete";
  if (method === "POST") return "restore";
  return method === "GET" || method === "HEAD" ? "download" : "other";
}
