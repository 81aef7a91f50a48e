import { isoTime } from "../base/clock.ts";
import { type Random, randomBase62 } from "../base/random.ts";
import type { EventType } from "../ledger/event-kinds.ts";
import { exampleEvent } from "../ledger/event-types.ts";

/**
 * An example of a type, to be sent on request. Its id, its `data` and `seq` 0 say that it is no event of the ledger
 * (SECURITY 24), so that nobody can use it to have a false event signed.
 */
export function testEvent(
  type: EventType,
  facts: { instance: string; at: number; random: Random },
): { id: string; text: string } {
  const id = `evt_test_${randomBase62(facts.random, 16)}`;
  const event = exampleEvent(type, { id, timestamp: isoTime(facts.at), instance: facts.instance, test: true });
  return { id, text: JSON.stringify(event) };
}
