import type { ParsedCredential } from "../access/credential.ts";
import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { ENVIRONMENT_NAME } from "../directory/directory.ts";
import { directoryOf } from "../directory/stub.ts";
import type { Caller, PresentedCredential } from "../instances/caller.ts";
import type { Place } from "../instances/server/record.ts";
import { answerOf } from "./answer-of.ts";
import { authenticate, credentialInHeader, type Genuine } from "./authenticate.ts";
import { clientAddress } from "./client-address.ts";
import type { AppContext } from "./context.ts";

/**
 * An instance and who asks it; what is left to do is one RPC. `subject` names the key that the credential claims to be of,
 * unverified: failures are counted under it.
 */
export type ResolvedCaller = { instanceId: string; subject: string; caller: Caller<PresentedCredential> };

/** For calls whose credential is not in the header (`credential`), or whose path names the instance (`instanceName`). */
type CallerSource = { credential?: ParsedCredential | null; instanceName?: string };

/** Finds out who asks which instance. Whether they may is decided by the instance. */
export async function resolveCaller(
  c: AppContext,
  { credential, instanceName }: CallerSource = {},
): Promise<Result<ResolvedCaller, Problem>> {
  const presented = credential === undefined ? credentialInHeader(c) : { credential, attempted: true };
  const genuine = await authenticate(c, presented);
  if (!genuine.ok) return genuine;
  const name = instanceName ?? c.req.header("relay-instance");
  if (genuine.value.kind === "admin") {
    const place = await placeForAdmin(c, name);
    return place.ok ? ok({ instanceId: place.value.id, subject: "", caller: callerWith(c, genuine.value) }) : place;
  }
  if (name !== undefined) {
    const place = await answerOf<Place | null>(directoryOf(c.env).find(name));
    if (place?.id !== genuine.value.instance) return fail(problem("instance_mismatch"));
  }
  return ok(callerAtHome(c, genuine.value));
}

/** Who asks, at the instance that made the credential, whatever instance the request names. */
export async function resolveCredential(c: AppContext): Promise<Result<ResolvedCaller | "admin", Problem>> {
  const genuine = await authenticate(c, credentialInHeader(c));
  if (!genuine.ok) return genuine;
  return ok(genuine.value.kind === "admin" ? "admin" : callerAtHome(c, genuine.value));
}

function callerAtHome(c: AppContext, genuine: Exclude<Genuine, { kind: "admin" }>): ResolvedCaller {
  const credential: PresentedCredential =
    genuine.kind === "key"
      ? { kind: "key", keyId: genuine.keyId, digest: genuine.digest }
      : { kind: genuine.kind, jwt: genuine.jwt };
  const subject = `${genuine.instance} ${genuine.keyId}`;
  return { instanceId: genuine.instance, subject, caller: callerWith(c, credential) };
}

/** Where a request comes from, for the rows that tell of it. */
export const originOf = (c: AppContext): Omit<Caller, "credential"> => ({
  address: clientAddress(c.req.raw, c.get("settings")),
  userAgent: c.req.header("user-agent") ?? "",
  requestId: c.get("requestId"),
});

const callerWith = (c: AppContext, credential: PresentedCredential): Caller<PresentedCredential> => ({
  credential,
  ...originOf(c),
});

/** The administrator names the instance in `Relay-Instance`; the name may be left out when there is just one. */
async function placeForAdmin(c: AppContext, name: string | undefined): Promise<Result<Place, Problem>> {
  const directory = directoryOf(c.env);
  const fromEnvironment = c.get("settings").environmentInstance !== null;
  if (fromEnvironment && (name === undefined || name === ENVIRONMENT_NAME)) {
    const own = await answerOf<Place>(directory.ensureEnvironment());
    if (name !== undefined) return ok(own);
  }
  const found = name === undefined ? directory.only() : directory.find(name);
  const place = await answerOf<Place | null>(found);
  if (place) return ok(place);
  return fail(problem(name === undefined ? "instance_required" : "instance_not_found"));
}
