import { systemClock } from "../base/clock.ts";
import type { Bindings } from "../bindings.ts";

/** After a write failed for want of room none is tried for this long, ms: each would break an object and what it does. */
const QUIET_MS = 5_000;
/** More than the writes of most requests take. */
const PROBE = "0".repeat(65_536);
const PROBE_EVERY_MS = 1_000;

/** In this isolate's memory: it spares tries, and decides nothing that the next try would not. */
let refusedAt = Number.NEGATIVE_INFINITY;
let probedAt = Number.NEGATIVE_INFINITY;

export function noteOutOfRoom(): void {
  refusedAt = systemClock();
}

export const wasOutOfRoom = (): boolean => systemClock() - refusedAt < QUIET_MS;

/**
 * Whether there is no room to write now. On plain workerd a file beside the objects' data is written to find out, once a
 * second at most; elsewhere only what was met counts.
 */
export async function isOutOfRoomNow({ ROOM }: Bindings): Promise<boolean> {
  if (!ROOM || systemClock() - probedAt < PROBE_EVERY_MS) return wasOutOfRoom();
  probedAt = systemClock();
  const written = await ROOM.fetch("http://room/probe", { method: "PUT", body: PROBE }).then(
    ({ ok }) => ok,
    () => false,
  );
  refusedAt = written ? Number.NEGATIVE_INFINITY : systemClock();
  return !written;
}
