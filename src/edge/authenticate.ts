import { type ParsedCredential, parseAuthorization } from "../access/credential.ts";
import { sameDigest } from "../access/token.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { slowed } from "./brake.ts";
import type { AppContext } from "./context.ts";
import { isGenuineInstance } from "./genuine-ids.ts";

/** A credential that the relay made, or the administrator's token. Whether it still lives only its instance knows. */
export type Genuine = Exclude<ParsedCredential, { kind: "opaque" }> | { kind: "admin"; name?: string };

/** What the request holds, and whether it counts as a failed attempt when it is refused. */
type Presented = { credential: ParsedCredential | null; attempted: boolean };

/** The credential in the `Authorization` header. */
export function credentialInHeader(c: AppContext): Presented {
  const value = c.req.header("authorization") ?? null;
  return { credential: parseAuthorization(value), attempted: value !== null };
}

/**
 * Distinguishes a credential from something made up without opening an object: by its shape, checksum and tag, or as the
 * administrator's token. A missing credential gets the same answer as a wrong one, but only a wrong one counts against the
 * client's address.
 */
export async function authenticate(
  c: AppContext,
  { credential, attempted }: Presented,
): Promise<Result<Genuine, Problem>> {
  if (credential?.kind === "opaque") {
    const administrator = c.get("settings").administrators.find(({ digest }) => sameDigest(digest, credential.digest));
    if (administrator) return ok({ kind: "admin", ...(administrator.name ? { name: administrator.name } : {}) });
  }
  if (
    credential &&
    credential.kind !== "opaque" &&
    (await isGenuineInstance(c.env, credential.instance, credential.tag))
  )
    return ok(credential);
  return fail((attempted ? await slowed(c, "stranger") : null) ?? problem("unauthenticated"));
}

/** Refuses a request whose header holds no genuine credential, before anything else of the request is looked at. */
export async function requireCredential(c: AppContext): Promise<Problem | null> {
  const genuine = await authenticate(c, credentialInHeader(c));
  return genuine.ok ? null : genuine.error;
}

/** The name of the administrator who asks; null for a token without one, and for anybody else. */
export async function administratorName(c: AppContext): Promise<string | null> {
  const genuine = await authenticate(c, credentialInHeader(c));
  return genuine.ok && genuine.value.kind === "admin" ? (genuine.value.name ?? null) : null;
}
