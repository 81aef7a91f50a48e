import type { EventData, EventType } from "./event-kinds.ts";

/** One fact as the ledger holds it, the API answers it and a webhook delivers it: the same object, the same bytes. */
export type EventOf<T extends EventType> = {
  /** `evt_…`: letters, digits and underscores only, because it is signed as `id.timestamp.body`. */
  id: string;
  /** From 1 without gaps in each instance's ledger. */
  seq: number;
  type: T;
  /** When it was observed, UTC with milliseconds. */
  timestamp: string;
  /** The instance's name. */
  instance: string;
  /** SHA-256 (hex) of the previous event's stored JSON text. */
  prev: string;
  data: EventData<T>;
};

export type LedgerEvent = { [T in EventType]: EventOf<T> }[EventType];

/** An event before the ledger adds its id, number, time and hash. */
export type EventDraft = { [T in EventType]: { type: T; data: EventData<T> } }[EventType];

/** `prev` of the first event: there is none before it. */
export const NO_PREVIOUS = "0".repeat(64);
