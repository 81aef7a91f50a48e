import { type Credential as Offered, parseAuthorization } from "../access/credential.ts";
import { hasInstanceTag, INSTANCE_ID_LENGTH, sameDigest } from "../access/token.ts";
import { fromHex } from "../base/encoding.ts";
import { type Problem, problem } from "../base/problem.ts";
import type { ProblemCode } from "../base/problems.ts";
import { fail, ok, type Result } from "../base/result.ts";
import type { Bindings } from "../bindings.ts";
import type { Answer, Caller, Command, CommandName, Credential, Output } from "../instances/commands.ts";
import { ENVIRONMENT_NAME, type Place } from "../instances/directory.ts";
import { brake } from "./brake.ts";
import { clientAddress } from "./client-address.ts";
import type { AppContext } from "./context.ts";

/** An instance and who asks it: what is left to do is one RPC. */
export type Visitor = { instanceId: string; caller: Caller };

const tagKeys = new WeakMap<object, Promise<Uint8Array<ArrayBuffer>>>();

/** Read once per isolate: ids that carry no tag under it open no object. */
function tagKey(env: Bindings): Promise<Uint8Array<ArrayBuffer>> {
  let key = tagKeys.get(env.DIRECTORY);
  if (!key) {
    key = env.DIRECTORY.getByName("directory")
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

/**
 * Finds out who asks which instance (`named` by the administrator), without opening an object for anything that was made
 * up: shape, checksum and tag are checked here, the rest is the instance's verdict. `offered` is what the header or the
 * call itself holds.
 */
export async function visit(
  c: AppContext,
  offered: Offered | null = parseAuthorization(c.req.header("authorization") ?? null),
  named: string | undefined = c.req.header("relay-instance"),
): Promise<Result<Visitor, Problem>> {
  const address = clientAddress(c.req.raw, c.get("settings"));
  const braked = brake.refusal(address);
  if (braked) return fail(braked);
  if (offered === null) return refused(c, address);
  if (offered.kind === "opaque") {
    if (!isAdmin(c, offered.digest)) return refused(c, address);
    const place = await namedPlace(c, named);
    return place.ok ? ok({ instanceId: place.value.id, caller: callerOf(c, address, { kind: "admin" }) }) : place;
  }
  if (!isGenuine(await tagKey(c.env), offered.instance, offered.tag)) return refused(c, address);
  if (named) {
    const place = await c.env.DIRECTORY.getByName("directory").find(named);
    if (place?.id !== offered.instance) return fail(problem("instance_mismatch"));
  }
  const credential: Credential =
    offered.kind === "key"
      ? { kind: "key", keyId: offered.keyId, digest: offered.digest }
      : { kind: offered.kind, jwt: offered.jwt };
  return ok({ instanceId: offered.instance, caller: callerOf(c, address, credential) });
}

const callerOf = (c: AppContext, address: string | null, credential: Credential): Caller => ({
  credential,
  address,
  userAgent: c.req.header("user-agent") ?? "",
  requestId: c.get("requestId"),
});

const isAdmin = (c: AppContext, digest: string): boolean =>
  c.get("settings").adminDigests.some((known) => sameDigest(known, digest));

/** A missing credential is told the same as a wrong one, but only a wrong one counts against the address. */
async function refused(c: AppContext, address: string | null): Promise<Result<never, Problem>> {
  const braked = c.req.header("authorization") ? await brake.failed(address, c.env.BRAKE) : null;
  return fail(braked ?? problem("unauthenticated"));
}

/** The administrator names the instance in `Relay-Instance`, or there is just one. */
async function namedPlace(c: AppContext, name: string | undefined): Promise<Result<Place, Problem>> {
  const directory = c.env.DIRECTORY.getByName("directory");
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

/** Admits the administrator alone, for calls that concern no single instance. */
export async function admitAdmin(c: AppContext): Promise<Result<null, Problem>> {
  const address = clientAddress(c.req.raw, c.get("settings"));
  const braked = brake.refusal(address);
  if (braked) return fail(braked);
  const offered = parseAuthorization(c.req.header("authorization") ?? null);
  if (offered?.kind === "opaque" && isAdmin(c, offered.digest)) return ok(null);
  return offered !== null && offered.kind !== "opaque" ? fail(problem("admin_only")) : refused(c, address);
}

/** What a made-up credential is told. */
const GUESSES: readonly ProblemCode[] = ["unauthenticated", "ticket_refused"];

/** One command of one visitor: the only way into an instance. */
export async function perform<N extends CommandName>(
  c: AppContext,
  visitor: Visitor,
  command: Command<N>,
): Promise<Result<Output<N>, Problem>> {
  const object = c.env.INSTANCE.getByName(visitor.instanceId);
  // The RPC's types cannot carry that the output follows from the command; `Handlers` proves it on the other side.
  const answer = (await object.perform(visitor.caller, command as Command)) as unknown as Answer<N>;
  if (answer.rate) c.set("rate", answer.rate);
  if (!answer.result.ok && GUESSES.includes(answer.result.error.code))
    await brake.failed(visitor.caller.address, c.env.BRAKE);
  return answer.result;
}

/** `visit` and `perform` in one, for calls that need nothing in between. */
export async function ask<N extends CommandName>(
  c: AppContext,
  command: Command<N>,
): Promise<Result<Output<N>, Problem>> {
  const visitor = await visit(c);
  return visitor.ok ? perform(c, visitor.value, command) : visitor;
}
