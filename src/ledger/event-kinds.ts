import type * as z from "zod";
import { keyKinds, ledgerKinds, webhookKinds } from "./catalogue/access.ts";
import { backupKinds } from "./catalogue/backup.ts";
import { instanceKinds } from "./catalogue/instance.ts";
import { approvalKinds, cancellationKinds, restoreKinds } from "./catalogue/restore.ts";

/** Every kind of event the ledger can hold. Names are dotted words of `[a-z_]` (Standard Webhooks, "Event types"). */
export const eventKinds = {
  ...backupKinds,
  ...restoreKinds,
  ...approvalKinds,
  ...cancellationKinds,
  ...instanceKinds,
  ...keyKinds,
  ...webhookKinds,
  ...ledgerKinds,
};

export type EventType = keyof typeof eventKinds;
export type EventData<T extends EventType> = z.infer<(typeof eventKinds)[T]["data"]>;

export const eventTypes = Object.keys(eventKinds) as EventType[];
export const isEventType = (text: string): text is EventType => Object.hasOwn(eventKinds, text);
