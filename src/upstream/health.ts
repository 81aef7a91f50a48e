import type { Flavour } from "../archive/flavour.ts";
import type { Health, ServerAge } from "./backups-api.ts";
import type { UpstreamAnswer } from "./exchange.ts";

/** The server's clock by its `Date` header (whole seconds), in ms since the epoch. */
export function serverTimeOf(headers: Headers): number | null {
  const time = Date.parse(headers.get("Date") ?? "");
  return Number.isNaN(time) ? null : time;
}

/**
 * Observed on running servers: 0.40 ends JSON without a newline and sends Cross-Origin-Opener-Policy, 0.23 to 0.39 do
 * neither; 0.22 shows `canBackup` without `realIP`. A proxy may change one of the two signs, so both must agree.
 */
function ageOf(answer: UpstreamAnswer, data: Record<string, unknown>): ServerAge | null {
  if ("canBackup" in data && !("realIP" in data)) return "<=0.22";
  const newline = answer.text.endsWith("\n");
  const policy = answer.headers.get("Cross-Origin-Opener-Policy") === "same-origin";
  if (!newline && policy) return ">=0.40";
  return newline && !policy ? "0.23-0.39" : null;
}

function proxyOf(headers: Headers): Health["proxy"] {
  const server = (headers.get("Server") ?? "").toLowerCase();
  if (server.startsWith("cloudflare") || headers.has("CF-Ray")) return "cloudflare";
  return server.startsWith("nginx") || server.startsWith("openresty") ? "nginx" : null;
}

const textOr = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** Reads `GET /api/health`; null when the answer is not PocketBase's. */
export function healthOf(answer: UpstreamAnswer): Health | null {
  const body = answer.json as { data?: unknown; message?: unknown } | null | undefined;
  if (typeof body?.message !== "string" || typeof body.data !== "object" || body.data === null) return null;
  const data = body.data as Record<string, unknown>;
  const superuser = typeof data.canBackup === "boolean" && typeof data.realIP === "string";
  let flavour: Flavour = "unknown";
  if (superuser) flavour = "requireS3" in data ? "bosbase" : "pocketbase";
  return {
    superuser,
    idle: superuser ? data.canBackup === true : null,
    flavour,
    realIp: textOr(data.realIP),
    possibleProxyHeader: textOr(data.possibleProxyHeader),
    serverTime: serverTimeOf(answer.headers),
    latencyMs: answer.latencyMs,
    age: ageOf(answer, data),
    proxy: proxyOf(answer.headers),
  };
}
