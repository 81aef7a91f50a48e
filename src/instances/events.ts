import { visibility } from "../access/lineage.ts";
import { ok } from "../base/result.ts";
import type { EventReader } from "../ledger/reader.ts";
import type { Admitted, Handlers } from "./commands.ts";
import type { Ledger } from "./ledger.ts";

type EventCommand = "events.list" | "events.follow" | "events.verify";

type EventRequest = { after: number; limit: number; types: string[] };

/** Only who may see every backup reads the stored text byte for byte, aggregates included (SECURITY 28). */
const readerOf = ({ lineage }: Admitted): EventReader => {
  if (!lineage || lineage.every((level) => level.patterns.includes("*"))) return { everything: true };
  return { everything: false, admits: visibility(lineage) };
};

/** Reading the ledger. */
export function eventHandlers({ ledger }: { ledger: Ledger }): Handlers<EventCommand> {
  const read = ({ after, limit, types }: EventRequest, admitted: Admitted) =>
    ok(ledger.read(after, limit, types, readerOf(admitted)));
  return {
    "events.list": read,
    "events.follow": read,
    "events.verify": () => ok(ledger.verify()),
  };
}
