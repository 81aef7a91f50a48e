import * as z from "zod";
import { count, time } from "./catalogue/shapes.ts";
import type { EventData, EventType } from "./event-kinds.ts";

/** One fact as the ledger holds it, the API answers it and a webhook delivers it: the same object, the same bytes. */
export const EventSchema = z
  .object({
    // Letters, digits and underscores only, because it is signed as `id.timestamp.body`.
    id: z
      .string()
      .meta({ pattern: "^evt_[A-Za-z0-9_]+$", description: "The same in every attempt: deduplicate by it." }),
    seq: count.describe("Its place in the instance's ledger, from 1 without gaps; 0 in test events."),
    type: z.string(),
    timestamp: time.describe("When it was observed."),
    /** The instance's name. */
    instance: z.string(),
    prev: z.string().meta({
      pattern: "^[0-9a-f]{64}$",
      description: "SHA-256 of the event before, byte for byte; 64 zeros in the first.",
    }),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "Event" });

/** An event of one type. */
export type EventOf<T extends EventType> = Omit<z.infer<typeof EventSchema>, "type" | "data"> & {
  type: T;
  data: EventData<T>;
};

export type LedgerEvent = { [T in EventType]: EventOf<T> }[EventType];

/** An event before the ledger adds its id, number, time and hash. */
export type EventDraft = { [T in EventType]: { type: T; data: EventData<T> } }[EventType];

/** `prev` of the first event: there is none before it. */
export const NO_PREVIOUS = "0".repeat(64);
