import * as z from "zod";
import type { EventKind } from "./catalogue/shapes.ts";
import { type EventOf, EventSchema, NO_PREVIOUS } from "./event.ts";
import { type EventData, type EventType, eventKinds } from "./event-kinds.ts";

/**
 * The JSON Schema (draft 2020-12) of a whole event of this type. Objects may gain fields; receivers ignore unknown
 * ones.
 */
export function eventSchema(type: EventType): Record<string, unknown> {
  const found: EventKind = eventKinds[type] as unknown as EventKind;
  const event = EventSchema.extend({ type: z.literal(type), data: found.data });
  const schema = z.toJSONSchema(event, { target: "draft-2020-12", io: "input" });
  return { title: type, description: found.summary, ...schema };
}

/**
 * A complete example of this type. Without `overrides` always the same one, as documented; the test call overrides id,
 * time and instance, and marks the data (SECURITY 24).
 */
export function exampleEvent<T extends EventType>(
  type: T,
  overrides: { id?: string; timestamp?: string; instance?: string; test?: true } = {},
): EventOf<T> {
  const { test, ...fields } = overrides;
  return {
    id: "evt_01JD9Z4C6T9XW2Q8",
    seq: test ? 0 : 4711,
    type,
    timestamp: "2026-11-22T10:00:00.000Z",
    instance: "acme",
    prev: test ? NO_PREVIOUS : "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
    ...fields,
    data: { ...eventKinds[type].example, ...(test ? { test } : {}) } as EventData<T>,
  };
}
