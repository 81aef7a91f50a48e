import { problem } from "../base/problem.ts";
import { fail, ok } from "../base/result.ts";
import type { UpstreamResult } from "./backups-api.ts";
import { exchange, type Wire } from "./exchange.ts";
import { faultOf, invalidFault, silenceFault } from "./fault.ts";
import { paths } from "./paths.ts";
import { timeouts } from "./pocketbase.ts";
import { endOf } from "./token.ts";

/** A superuser's token; `expires` in ms since the epoch by our clock, null when it does not say. */
export type Login = { token: string; expires: number | null };

async function signIn(
  wire: Wire,
  path: string,
  more: { body?: unknown; token?: string },
): Promise<UpstreamResult<Login>> {
  const answer = await exchange(wire, { method: "POST", path, cap: 1024 * 1024, timeoutMs: timeouts.quick, ...more });
  if (!answer.ok) return fail(silenceFault(answer.error, false));
  if (answer.value.status !== 200) return fail(faultOf(answer.value, false));
  const token = (answer.value.json as { token?: unknown } | null | undefined)?.token;
  return typeof token === "string" && token !== ""
    ? ok({ token, expires: endOf(token, answer.value.headers, wire.clock()) })
    : fail(invalidFault());
}

/**
 * Logs a superuser in. A wrong password is `upstream_unauthorized`, a second factor `upstream_mfa`. Each login may send
 * the superuser a "login from a new location" e-mail: keep the token, and renew it with `renew`.
 */
export async function login(wire: Wire, who: { email: string; password: string }): Promise<UpstreamResult<Login>> {
  const answer = await signIn(wire, paths.login, { body: { identity: who.email, password: who.password } });
  // The server answers blank or overlong input with a validation error; to the relay it is a credential that cannot work.
  if (!answer.ok && answer.error.problem.code === "invalid_request")
    return fail({ problem: problem("upstream_unauthorized"), unclear: false, unauthorized: true });
  return answer;
}

/** A fresh token for one that still lives; an impersonate token comes back unchanged. */
export const renew = (wire: Wire, token: string): Promise<UpstreamResult<Login>> =>
  signIn(wire, paths.refresh, { token });
