import { type ParsedCredential, parseAuthorization } from "../access/credential.ts";
import { sameDigest } from "../access/token.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { brake } from "./brake.ts";
import { clientAddress } from "./client-address.ts";
import type { AppContext } from "./context.ts";
import { isGenuineInstance } from "./genuine-ids.ts";

/** A credential that the relay made, or the administrator's token. Whether it still lives only its instance knows. */
export type Genuine = Exclude<ParsedCredential, { kind: "opaque" }> | { kind: "admin" };

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
  const address = clientAddress(c.req.raw, c.get("settings"));
  if (credential?.kind === "opaque" && isAdmin(c, credential.digest)) return ok({ kind: "admin" });
  if (credential && credential.kind !== "opaque") {
    if (await isGenuineInstance(c.env, credential.instance, credential.tag)) {
      const slowed = brake.refusal("secret", address);
      return slowed ? fail(slowed) : ok(credential);
    }
  }
  const slowed = brake.refusal("stranger", address);
  if (slowed) return fail(slowed);
  const refusal = attempted ? await brake.failed("stranger", address, c.env.BRAKE) : null;
  return fail(refusal ?? problem("unauthenticated"));
}

const isAdmin = (c: AppContext, digest: string): boolean =>
  c.get("settings").adminDigests.some((known) => sameDigest(known, digest));

/** Refuses a request whose header holds no genuine credential, before anything else of the request is looked at. */
export async function requireCredential(c: AppContext): Promise<Problem | null> {
  const genuine = await authenticate(c, credentialInHeader(c));
  return genuine.ok ? null : genuine.error;
}
