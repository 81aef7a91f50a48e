import type { Clock } from "../base/clock.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { readText } from "../http/body.ts";

/** The addresses of a name, A and AAAA together, and for how long they may be used. */
type Resolved = { addresses: string[]; ttlSeconds: number };

/** Looks a name up. The failure is a sentence for the attempt's log. Never throws. */
export type Resolver = (name: string) => Promise<Result<Resolved, string>>;

/** An answer is kept at most this long, whatever its TTL, so that a changed record is used soon. */
const LONGEST_ANSWER_SECONDS = 60;
const LONGEST_BODY = 65_536;
const LOOKUP_TIMEOUT_MS = 5_000;
const TYPES = { A: 1, AAAA: 28 } as const;

/**
 * Reads one answer of the JSON form of DNS over HTTPS (`application/dns-json`: Google, Cloudflare, Quad9). A name that
 * does not exist, or has no record of this type, has no addresses; a resolver that does not know is a failure.
 */
export function readAnswer(text: string, type: keyof typeof TYPES): Result<Resolved, string> {
  let answer: { Status?: unknown; TC?: unknown; Answer?: unknown };
  try {
    answer = JSON.parse(text);
  } catch {
    return fail("The resolver did not answer in JSON.");
  }
  if (answer === null || typeof answer !== "object" || typeof answer.Status !== "number")
    return fail("The resolver did not answer as a DNS resolver does.");
  if (answer.Status === 3) return ok({ addresses: [], ttlSeconds: LONGEST_ANSWER_SECONDS });
  if (answer.Status !== 0) return fail(`The resolver could not tell (DNS status ${answer.Status}).`);
  if (answer.TC === true) return fail("The resolver's answer was cut.");
  const records = (Array.isArray(answer.Answer) ? answer.Answer : []) as {
    type?: unknown;
    data?: unknown;
    TTL?: unknown;
  }[];
  const addresses: string[] = [];
  let ttlSeconds = LONGEST_ANSWER_SECONDS;
  for (const record of records) {
    if (typeof record?.TTL === "number") ttlSeconds = Math.min(ttlSeconds, Math.max(0, record.TTL));
    if (record?.type === TYPES[type]) addresses.push(String(record.data));
  }
  return ok({ addresses, ttlSeconds });
}

/**
 * A resolver that asks `address` (DNS over HTTPS) for both kinds of record, and caches the answers. When either query fails
 * the name counts as not resolved: the missing records could be the ones with a private address.
 */
export function dnsOverHttps(
  address: string,
  fetch: (url: string, init: RequestInit) => Promise<Response>,
  clock: Clock,
): Resolver {
  const cache = new Map<string, { resolved: Resolved; until: number }>();

  async function query(name: string, type: keyof typeof TYPES): Promise<Result<Resolved, string>> {
    const url = new URL(address);
    url.searchParams.set("name", name);
    url.searchParams.set("type", type);
    try {
      const response = await fetch(url.href, {
        headers: { accept: "application/dns-json" },
        redirect: "manual",
        signal: AbortSignal.timeout(LOOKUP_TIMEOUT_MS),
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        return fail(`The resolver answered ${response.status}.`);
      }
      const text = await readText(response.body, LONGEST_BODY);
      return text === null ? fail("The resolver's answer is too long.") : readAnswer(text, type);
    } catch {
      return fail("The resolver did not answer.");
    }
  }

  return async (name) => {
    const known = cache.get(name);
    if (known && known.until > clock()) return ok(known.resolved);
    cache.delete(name);
    const [v4, v6] = await Promise.all([query(name, "A"), query(name, "AAAA")]);
    if (!v4.ok) return v4;
    if (!v6.ok) return v6;
    const resolved = {
      addresses: [...v4.value.addresses, ...v6.value.addresses],
      ttlSeconds: Math.min(v4.value.ttlSeconds, v6.value.ttlSeconds),
    };
    cache.set(name, { resolved, until: clock() + resolved.ttlSeconds * 1000 });
    return ok(resolved);
  };
}
