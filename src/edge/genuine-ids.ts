import { hasInstanceTag, INSTANCE_ID_LENGTH } from "../access/token.ts";
import { fromHex } from "../base/encoding.ts";
import { secureRandom } from "../base/random.ts";
import type { Bindings } from "../bindings.ts";
import { directoryOf } from "../directory/stub.ts";
import { isEndpointId, newEndpointId } from "../webhooks/endpoint-id.ts";
import { answerOf } from "./answer-of.ts";
import type { AppContext } from "./context.ts";

/** Per directory binding, so that each isolate asks for its tag key once. */
const tagKeys = new WeakMap<object, Promise<Uint8Array<ArrayBuffer>>>();

/** The key of the tags in our ids. An id without a valid tag is refused before any object is opened for it. */
function tagKey(env: Bindings): Promise<Uint8Array<ArrayBuffer>> {
  let key = tagKeys.get(env.DIRECTORY);
  if (!key) {
    key = answerOf<string>(directoryOf(env).tagKey()).then((text) => fromHex(text)!);
    key.catch(() => tagKeys.delete(env.DIRECTORY));
    tagKeys.set(env.DIRECTORY, key);
  }
  return key;
}

/**
 * Has the watchdog wake, once per isolate: after a restart nobody else asks for its directory before somebody comes with a
 * credential, and its alarm may be far off since a clock ran ahead.
 */
export const wakeWatchdog = (env: Bindings): Promise<unknown> => tagKey(env).catch(() => undefined);

/**
 * Ids with their tags that were found valid before, per tag key. A tag never changes, so a valid one stays valid. Only the
 * relay can make a valid one, so a stranger cannot make this set grow.
 */
const validTags = new WeakMap<Uint8Array, Set<string>>();

/** Whether the relay made this id of an instance, by its tag. */
export async function isGenuineInstance(env: Bindings, id: string, tag: string): Promise<boolean> {
  const key = await tagKey(env);
  const known = validTags.get(key) ?? new Set();
  if (known.has(id + tag)) return true;
  if (!hasInstanceTag(key, id, tag)) return false;
  validTags.set(key, known.add(id + tag));
  return true;
}

/** The id of an instance from a text of id and tag; null when the relay did not make it. */
export async function instanceIdIn(c: AppContext, text: string): Promise<string | null> {
  const [id, tag] = [text.slice(0, INSTANCE_ID_LENGTH), text.slice(INSTANCE_ID_LENGTH)];
  return (await isGenuineInstance(c.env, id, tag)) ? id : null;
}

/** A new id for a webhook endpoint of this instance. */
export const makeEndpointId = async (c: AppContext, instanceId: string): Promise<string> =>
  newEndpointId(await tagKey(c.env), instanceId, secureRandom);

/** Whether the relay made this id of a webhook endpoint. */
export const isGenuineEndpoint = async (c: AppContext, id: string): Promise<boolean> =>
  isEndpointId(await tagKey(c.env), id);
