import { EndpointWorld } from "../test/harness/webhooks/endpoint-process.ts";

/** Longer than an endpoint stays awake after its last result. */
const REST_MS = 6_000;

/**
 * Rows that one endpoint writes per delivered event, its alarm's included: its own parts on a database that counts, with
 * a receiver that answers at once. An alarm is a row to the platform.
 */
export async function rowsPerDelivery(events: number, how: "at once" | "one by one"): Promise<number> {
  const world = new EndpointWorld();
  await world.create();
  world.append(1);
  world.notify();
  await world.pass(REST_MS);
  const before = world.turns.rowsWritten + world.alarms;
  for (let left = events; left > 0; left -= how === "at once" ? events : 1) {
    world.append(how === "at once" ? events : 1);
    world.notify();
    await world.pass(REST_MS);
  }
  if (world.lost.length > 0) throw new Error(`${world.lost.length} of ${events} events were not delivered`);
  return (world.turns.rowsWritten + world.alarms - before) / events;
}
