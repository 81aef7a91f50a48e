import { hasInstanceTag, INSTANCE_ID_LENGTH, instanceTag, TAG_LENGTH } from "../access/token.ts";
import { type Random, randomBase62 } from "../base/random.ts";

const OWN_LENGTH = 8;
const SHAPE = new RegExp(`^wh_([0-9A-Za-z]{${INSTANCE_ID_LENGTH + OWN_LENGTH}})([0-9A-Za-z]{${TAG_LENGTH}})$`);

/**
 * A new endpoint's id: `wh_`, its instance (8), its own part (8) and a tag (6) that only the holder of the tag key can
 * make, so that made-up ids open no object (SECURITY 6). The tag is over both parts and so never that of an instance.
 */
export function newEndpointId(tagKey: Uint8Array, instance: string, random: Random): string {
  const text = instance + randomBase62(random, OWN_LENGTH);
  return `wh_${text}${instanceTag(tagKey, text)}`;
}

/** Whether the relay made this id. No I/O. */
export function isEndpointId(tagKey: Uint8Array, id: string): boolean {
  const match = SHAPE.exec(id);
  return match !== null && hasInstanceTag(tagKey, match[1]!, match[2]!);
}

/** The instance that an endpoint belongs to; only of an id that is genuine. */
export const instanceIdOf = (id: string): string => id.slice(3, 3 + INSTANCE_ID_LENGTH);
