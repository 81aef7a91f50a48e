import { type Credential as Offered, parseAuthorization } from "../access/credential.ts";
import { hasInstanceTag, INSTANCE_ID_LENGTH, sameDigest } from "../access/token.ts";
import { fromHex } from "../base/encoding.ts";
import { type Problem, problem } from "../base/problem.ts";
import type { ProblemCode } from "../base/problems.ts";
import { secureRandom } from "../base/random.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Bindings } from "../bindings.ts";
import { ENVIRONMENT_NAME } from "../directory/directory.ts";
import { directoryOf } from "../directory/stub.ts";
import type { Caller, Credential } from "../instances/caller.ts";
import type { Answer, Command, CommandName, Output } from "../instances/commands.ts";
import type { Place } from "../instances/server/record.ts";
import { instanceOf } from "../instances/stub.ts";
import { isEndpointId, newEndpointId } from "../webhooks/endpoint-id.ts";
import { brake } from "./brake.ts";
import { clientAddress } from "./client-address.ts";
import type { AppContext } from "./context.ts";
import { unanswered } from "./refusal-of.ts";

/** An instance and who asks it: what is left to do is one RPC. */
export type ResolvedCaller = { instanceId: string; caller: Caller };

const tagKeys = new WeakMap<object, Promise<Uint8Array<ArrayBuffer>>>();

/** Read once per isolate: ids that carry no tag under it open no object. */
function tagKey(env: Bindings): Promise<Uint8Array<ArrayBuffer>> {
  let key = tagKeys.get(env.DIRECTORY);
  if (!key) {
    key = directoryOf(env)
      .tagKey()
      .then((text) => fromHex(text)!);
    key.catch(() => tagKeys.delete(env.DIRECTORY));
    tagKeys.set(env.DIRECTORY, key);
  }
  return key;
}

/** Ids found genuine before, with their tags: a tag never changes, and nobody but us can make one that gets here. */
const genuine = new WeakMap<Uint8Array, Set<string>>();

function isGenuine(key: Uint8Array<ArrayBuffer>, id: string, tag: string): boolean {
  const known = genuine.get(key) ?? new Set();
  if (known.has(id + tag)) return true;
  if (!hasInstanceTag(key, id, tag)) return false;
  genuine.set(key, known.add(id + tag));
  return true;
}

type Recognised = Exclude<Offered, { kind: "opaque" }> | { kind: "admin" };
/** What was sent with the request, and whether it counts as a try when it is refused. */
type Sent = { credential: Offered | null; tried: boolean };

const headerOf = (c: AppContext): Sent => {
  const value = c.req.header("authorization") ?? null;
  return { credential: parseAuthorization(value), tried: value !== null };
};

/**
 * Tells a credential from something made up without opening an object: shape, checksum and tag, or the administrator's
 * token. A missing one is told the same as a wrong one, but only a wrong one counts against the address.
 */
async function authenticate(c: AppContext, { credential, tried }: Sent): Promise<Result<Recognised, Problem>> {
  const address = clientAddress(c.req.raw, c.get("settings"));
  if (credential?.kind === "opaque" && isAdmin(c, credential.digest)) return ok({ kind: "admin" });
  if (credential && credential.kind !== "opaque") {
    if (isGenuine(await tagKey(c.env), credential.instance, credential.tag)) {
      const slowed = brake.refusal("secret", address);
      return slowed ? fail(slowed) : ok(credential);
    }
  }
  const slowed = brake.refusal("stranger", address);
  if (slowed) return fail(slowed);
  const refusal = tried ? await brake.failed("stranger", address, c.env.BRAKE) : null;
  return fail(refusal ?? problem("unauthenticated"));
}

/** Refuses a request whose header holds no credential of ours, before anything else about it is looked at. */
export async function requireCredential(c: AppContext): Promise<Problem | null> {
  const known = await authenticate(c, headerOf(c));
  return known.ok ? null : known.error;
}

/** The refusal of a credential that is not alive, whatever it asks for; null for a living one and the administrator. */
export async function refusalOfCredential(c: AppContext): Promise<Problem | null> {
  const known = await authenticate(c, headerOf(c));
  if (!known.ok) return known.error;
  if (known.value.kind === "admin") return null;
  const resolved = { instanceId: known.value.instance, caller: callerOf(c, credentialOf(known.value)) };
  const self = await perform(c, resolved, { do: "keys.self" });
  return self.ok ? null : self.error;
}

/** `offered` is what the call itself holds, when it is not the header; `named` the instance, when no header names it. */
type CallerHints = { offered?: Offered | null; named?: string };

/** Finds out who asks which instance; whether they may is the instance's verdict. */
export async function resolveCaller(
  c: AppContext,
  { offered, named }: CallerHints = {},
): Promise<Result<ResolvedCaller, Problem>> {
  const known = await authenticate(c, offered === undefined ? headerOf(c) : { credential: offered, tried: true });
  if (!known.ok) return known;
  const name = named ?? c.req.header("relay-instance");
  if (known.value.kind === "admin") {
    const place = await namedPlace(c, name);
    return place.ok ? ok({ instanceId: place.value.id, caller: callerOf(c, { kind: "admin" }) }) : place;
  }
  const { instance } = known.value;
  if (name !== undefined) {
    const place = await directoryOf(c.env).find(name);
    if (place?.id !== instance) return fail(problem("instance_mismatch"));
  }
  return ok({ instanceId: instance, caller: callerOf(c, credentialOf(known.value)) });
}

const credentialOf = (known: Exclude<Recognised, { kind: "admin" }>): Credential =>
  known.kind === "key"
    ? { kind: "key", keyId: known.keyId, digest: known.digest }
    : { kind: known.kind, jwt: known.jwt };

const callerOf = (c: AppContext, credential: Credential): Caller => ({
  credential,
  address: clientAddress(c.req.raw, c.get("settings")),
  userAgent: c.req.header("user-agent") ?? "",
  requestId: c.get("requestId"),
});

const isAdmin = (c: AppContext, digest: string): boolean =>
  c.get("settings").adminDigests.some((known) => sameDigest(known, digest));

/** The administrator names the instance in `Relay-Instance`, or there is just one. */
async function namedPlace(c: AppContext, name: string | undefined): Promise<Result<Place, Problem>> {
  const directory = directoryOf(c.env);
  const fromEnvironment = c.get("settings").environmentInstance !== null;
  if (fromEnvironment && (name === undefined || name === ENVIRONMENT_NAME)) {
    const own = await directory.ensureEnvironment();
    if (name !== undefined) return ok(own);
  }
  const place = name === undefined ? await directory.only() : await directory.find(name);
  if (place) return ok(place);
  return fail(problem(name === undefined ? "instance_required" : "instance_not_found"));
}

/** The instance of an id with its tag in one text; null when the tag is not ours. For calls that carry their own proof. */
export async function genuinePlace(c: AppContext, text: string): Promise<{ id: string } | null> {
  const [id, tag] = [text.slice(0, INSTANCE_ID_LENGTH), text.slice(INSTANCE_ID_LENGTH)];
  return hasInstanceTag(await tagKey(c.env), id, tag) ? { id } : null;
}

/** An id for a new webhook endpoint of the instance. */
export const newEndpoint = async (c: AppContext, instance: string): Promise<string> =>
  newEndpointId(await tagKey(c.env), instance, secureRandom);

/** Whether the relay made this id of a webhook endpoint. */
export const isGenuineEndpoint = async (c: AppContext, id: string): Promise<boolean> =>
  isEndpointId(await tagKey(c.env), id);

/** For calls that carry their own proof: the refusal of an address that failed too often, else what `prove` says. */
export async function throttled(c: AppContext, prove: () => Promise<boolean>): Promise<Problem | null> {
  const address = clientAddress(c.req.raw, c.get("settings"));
  const refusal = brake.refusal("nudge", address);
  if (refusal) return refusal;
  if (await prove()) return null;
  return (await brake.failed("nudge", address, c.env.BRAKE)) ?? problem("unauthenticated");
}

/**
 * Admits the administrator alone, for calls that concern no single instance. A key is asked at its own instance, so that
 * a dead one is told the same here as everywhere.
 */
export async function admitAdmin(c: AppContext): Promise<Result<null, Problem>> {
  const known = await authenticate(c, headerOf(c));
  if (!known.ok) return known;
  if (known.value.kind === "admin") return ok(null);
  const resolved = { instanceId: known.value.instance, caller: callerOf(c, credentialOf(known.value)) };
  const refused = await perform(c, resolved, { do: "instance.read" });
  return fail(refused.ok ? problem("admin_only") : refused.error);
}

/** What a made-up credential is told. */
const GUESSES: readonly ProblemCode[] = ["unauthenticated", "ticket_refused"];

/** One command of one visitor: the only way into an instance. */
export async function perform<N extends CommandName>(
  c: AppContext,
  resolved: ResolvedCaller,
  command: Command<N>,
): Promise<Result<Output<N>, Problem>> {
  const object = instanceOf(c.env, resolved.instanceId);
  // The RPC's types cannot carry that the output follows from the command; `Handlers` proves it on the other side.
  const asked = object.perform(resolved.caller, command as Command) as unknown as Promise<Answer<N>>;
  const answer = await asked.catch((error): Answer<N> => {
    console.error(`${command.do}: no answer, ${error instanceof Error ? error.name : "unknown error"}`);
    return { result: fail(unanswered(error)), limits: [] };
  });
  c.set("limits", answer.limits);
  if (!answer.result.ok && GUESSES.includes(answer.result.error.code))
    await brake.failed("secret", resolved.caller.address, c.env.BRAKE);
  return answer.result;
}

/** `visit` and `perform` in one, for calls that need nothing in between. */
export async function ask<N extends CommandName>(
  c: AppContext,
  command: Command<N>,
): Promise<Result<Output<N>, Problem>> {
  const resolved = await resolveCaller(c);
  return resolved.ok ? perform(c, resolved.value, command) : resolved;
}
