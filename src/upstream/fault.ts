import { type Problem, problem } from "../base/problem.ts";
import type { ProblemCode } from "../base/problems.ts";
import type { UpstreamFault } from "./backups-api.ts";
import type { Silence, UpstreamAnswer } from "./exchange.ts";
import { fieldRefusals } from "./field-refusals.ts";
import { cloudflareFault, WANTS_TLS } from "./in-the-way.ts";
import { knownCause } from "./server-cause.ts";

type Meaning = { code: ProblemCode; message?: string; unauthorized?: boolean; unclear?: boolean };

/**
 * PocketBase's refusals by the words they begin with (`apis/backup*.go`, `apis/middlewares.go`, recorded from 0.40.6 and
 * 0.39.11). What follows these words may be a server path or S3's XML and never goes on.
 */
const refusals: readonly (readonly [begins: string, meaning: Meaning])[] = [
  ["Try again later - another backup/restore process", { code: "upstream_busy" }],
  // A hook that throws after the archive was stored gives this too: the file stays.
  ["Failed to create backup.", { code: "create_failed", unclear: true }],
  ["Failed to upload backup.", { code: "upload_failed", unclear: true }],
  ["Missing or invalid backup file.", { code: "backup_missing" }],
  ["The backup is currently being used", { code: "backup_in_use" }],
  [
    "Failed to retrieve backup items.",
    { code: "upstream_storage_failed", message: "Failed to retrieve backup items." },
  ],
  [
    "Failed to load backups filesystem.",
    { code: "upstream_storage_failed", message: "Failed to load backups filesystem." },
  ],
  ["The request requires valid record authorization token.", { code: "upstream_unauthorized", unauthorized: true }],
  ["Failed to authenticate.", { code: "upstream_unauthorized", unauthorized: true }],
  [
    "The authorized record is not allowed to perform this action.",
    {
      code: "upstream_unauthorized",
      message: "The relay's credential is valid on the server but is not a superuser's.",
      unauthorized: true,
    },
  ],
  // The refusal of a guest who creates a record that only superusers may create.
  ["Only superusers can perform this action.", { code: "upstream_unauthorized", unauthorized: true }],
  // The refusal of a download with a dead file token, or from an address outside the superuser IPs.
  ["Insufficient permissions to access the resource.", { code: "upstream_unauthorized", unauthorized: true }],
  ["You are not allowed to perform this request.", { code: "upstream_address_refused" }],
];

type Body = { message: string; data: Record<string, unknown>; legacy: boolean; mfa: boolean };

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** PocketBase's error body, or null when something else answered. ≤ 0.22 names the status `code`. */
function bodyOf(json: unknown): Body | null {
  if (!isRecord(json)) return null;
  if (typeof json.mfaId === "string") return { message: "", data: {}, legacy: false, mfa: true };
  if (typeof json.message !== "string" || !isRecord(json.data)) return null;
  const legacy = typeof json.code === "number" && json.status === undefined;
  if (!legacy && typeof json.status !== "number") return null;
  return { message: json.message, data: json.data, legacy, mfa: false };
}

const fault = (meaning: Meaning, mutates: boolean, more: Omit<Problem, "code"> = {}): UpstreamFault => ({
  problem: problem(meaning.code, { ...(meaning.message ? { message: meaning.message } : {}), ...more }),
  unclear: mutates && meaning.unclear === true,
  unauthorized: meaning.unauthorized === true,
});

/** `text` may be left out where a body was not read as text. */
type Answered = Pick<UpstreamAnswer, "status" | "headers" | "json"> & { text?: string };

/** No answer, or one that was not read to its end: a call that changes something may have changed it. */
export function silenceFault(silence: Silence, mutates: boolean): UpstreamFault {
  if (silence === "timeout") return fault({ code: "upstream_timeout", unclear: true }, mutates);
  if (silence === "too_large") return fault({ code: "upstream_too_large", unclear: true }, mutates);
  return fault({ code: "upstream_unreachable", unclear: true }, mutates, { retryAfterSeconds: 10 });
}

/** No answer came: the server is down, restarting or out of reach, and nothing is known of what it would have said. */
export const isAway = ({ code }: Problem): boolean => code === "upstream_unreachable" || code === "upstream_timeout";

/** An answer with the right status whose body is not what it must be. */
export const invalidFault = (mutates = false): UpstreamFault =>
  fault({ code: "upstream_invalid", unclear: true }, mutates);

/** What Go, nginx and Apache say to a request without TLS at a port that has it. */
const PLAIN_AT_TLS_PORT = /HTTP request (to an HTTPS server|was sent to HTTPS port)|plain HTTP to an SSL-enabled/i;

/** An answer that PocketBase itself did not write: a proxy, a tunnel, another program. */
function foreignFault({ status, text = "" }: { status: number; text?: string }, mutates: boolean): UpstreamFault {
  const known = cloudflareFault(status, text);
  if (known && status < 500) return fault(known, mutates, { hint: known.hint });
  if (known) return fault({ ...known, unclear: true }, mutates, { hint: known.hint, retryAfterSeconds: 10 });
  if (status === 400 && PLAIN_AT_TLS_PORT.test(text)) return fault({ code: "upstream_tls_failed" }, mutates, WANTS_TLS);
  // 522 and 524 are Cloudflare's time-outs; the server behind goes on with what it was asked.
  if (status === 504 || status === 522 || status === 524)
    return fault(
      { code: "upstream_timeout", message: "A proxy gave up waiting for the server.", unclear: true },
      mutates,
    );
  if (status >= 500) return fault({ code: "upstream_proxy_failed", unclear: true }, mutates, { retryAfterSeconds: 10 });
  if (status === 401 || status === 403 || status === 407) return fault({ code: "upstream_proxy_refused" }, mutates);
  if (status === 404 || status === 405) return fault({ code: "upstream_not_found" }, mutates);
  return invalidFault(mutates);
}

function deleteFault(message: string, mutates: boolean): UpstreamFault {
  // Only these texts mean that there was nothing to delete; others come from a deletion that failed midway.
  const nothing =
    /no such file|not found|NotFound|directory not empty/i.test(message) || !message.includes("Raw error");
  return fault({ code: "backup_deleted", unclear: !nothing }, mutates, nothing ? {} : wayOutOf(message));
}

/** What follows PocketBase's own words is a raw error: a known cause is told in our words, anything else stays there. */
function wayOutOf(message: string): { hint?: string } {
  const cause = knownCause(message.split("Raw error:")[1] ?? "");
  return cause ? { hint: `${cause.message} ${cause.hint}` } : {};
}

function pocketBaseFault(answer: Pick<UpstreamAnswer, "status">, body: Body, mutates: boolean): UpstreamFault {
  if (body.mfa) return fault({ code: "upstream_mfa" }, mutates);
  if (body.legacy) return fault({ code: "unsupported_version" }, mutates);
  const known = refusals.find(([begins]) => body.message.startsWith(begins));
  if (known) return fault(known[1], mutates, wayOutOf(body.message));
  if (body.message.startsWith("Invalid or already deleted backup file.")) return deleteFault(body.message, mutates);
  if (body.message === "An error occurred while validating the submitted data.") {
    const data = fieldRefusals(body.data);
    const exists = Object.values(data).some((field) => field.code === "validation_backup_name_exists");
    return fault({ code: exists ? "backup_name_exists" : "invalid_request" }, mutates, { data });
  }
  if (answer.status === 401) return fault({ code: "upstream_unauthorized", unauthorized: true }, mutates);
  if (answer.status === 404) return fault({ code: "upstream_not_found" }, mutates);
  if (answer.status >= 500) return fault({ code: "upstream_failed", unclear: true }, mutates);
  return fault({ code: "upstream_refused" }, mutates);
}

/**
 * What an answer other than the expected one means to the relay's caller. Nothing of its raw text is kept but the
 * messages listed above and PocketBase's own messages about fields. `mutates` says whether a lost answer could have changed
 * something; only then can a fault be `unclear`.
 */
export function faultOf(answer: Answered, mutates: boolean): UpstreamFault {
  const { status } = answer;
  if (status >= 300 && status < 400) return fault({ code: "upstream_redirected" }, mutates);
  if (status === 429) {
    const asked = Number(answer.headers.get("Retry-After"));
    const retryAfterSeconds = Number.isInteger(asked) && asked > 0 ? Math.min(asked, 300) : 10;
    return fault({ code: "upstream_rate_limited" }, mutates, { retryAfterSeconds });
  }
  if (status === 413) return fault({ code: "upstream_body_refused" }, mutates);
  const body = bodyOf(answer.json);
  return body && status >= 400 ? pocketBaseFault(answer, body, mutates) : foreignFault(answer, mutates);
}
