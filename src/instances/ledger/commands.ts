import { visibility } from "../../access/lineage.ts";
import { ok } from "../../base/result.ts";
import type { ChainCheck } from "../../ledger/chain.ts";
import type { EventReader } from "../../ledger/reader.ts";
import type { Admitted, Handlers, Policies } from "../caller.ts";
import type { EventPage, Ledger } from "./store.ts";

export type EventCommands = {
  "events.list": { input: { after: number; limit: number; types: string[] }; output: EventPage };
  /** The further pages of a stream: the rights are checked each time, the quota is counted once. */
  "events.follow": { input: { after: number; limit: number; types: string[] }; output: EventPage };
  "events.verify": { input: object; output: ChainCheck };
};

export const eventPolicies: Policies<EventCommands> = {
  "events.list": { scope: "events:read", audit: false },
  "events.follow": { scope: "events:read", audit: false, continuation: true },
  "events.verify": { scope: "events:read", audit: false },
};

type EventRequest = { after: number; limit: number; types: string[] };

/** Only a caller who may see every backup reads the stored text byte for byte, aggregates included (SECURITY 28). */
const readerOf = ({ lineage }: Admitted): EventReader => {
  if (!lineage || lineage.every((level) => level.patterns.includes("*"))) return { everything: true };
  return { everything: false, admits: visibility(lineage) };
};

/** Reading the ledger. */
export function eventHandlers({ ledger }: { ledger: Ledger }): Handlers<EventCommands> {
  const read = ({ after, limit, types }: EventRequest, admitted: Admitted) =>
    ok(ledger.read(after, limit, types, readerOf(admitted)));
  return {
    "events.list": read,
    "events.follow": read,
    "events.verify": () => ok(ledger.verify()),
  };
}
