import { durationInWords } from "../../base/words.ts";
import type { EventData, EventType } from "../../ledger/event-kinds.ts";
import { byWhom, foreign, line, message, type Notice, when } from "./notice.ts";

type RelayType = Exclude<EventType, `${"backup" | "restore" | "approval" | "operation"}.${string}`>;

const inDays = (days: number) => durationInWords(days * 86_400);

/** Messages about the server as a whole, keys, webhook endpoints and the ledger. */
export const relayNotices: { [T in RelayType]: (data: EventData<T>) => Notice } = {
  "instance.unreachable": ({ since, failedLooks, error }) => ({
    level: "failure",
    title: line`The server cannot be reached`,
    lines: [[message(error.message)], line`${String(failedLooks)} looks failed, the first ${when(since)}.`],
  }),
  "instance.reachable": ({ downSeconds }) => ({
    level: "recovery",
    title: line`Recovered: the server answers again`,
    lines: [line`It was away for ${durationInWords(downSeconds)}.`],
  }),
  "instance.unauthorized": ({ error, restore }) => ({
    level: "failure",
    title: line`The server refuses the relay's credential`,
    lines: [
      [message(error.message)],
      ...(restore ? [line`It did before ${foreign(restore.key)} was restored.`] : []),
      line`Nothing is watched until it gets another.`,
      ...(error.hint ? [[message(error.hint)]] : []),
    ],
  }),
  "instance.store_changed": ({ before, after, gone, kept, added }) => ({
    level: "failure",
    title: line`Most backups are gone: another store lies behind the server`,
    lines: [
      line`${String(gone)} of ${String(before)} backups are gone, ${String(kept)} stayed, ${String(added)} are new.`,
      line`${String(after)} listed now.`,
    ],
  }),
  "credential.expiring": ({ expires, daysLeft }) => ({
    level: "warning",
    title: line`The relay's credential for the server expires in ${inDays(daysLeft)}`,
    lines: [line`It ends ${when(expires)}; after that nothing is watched.`],
  }),
  "key.expiring": ({ key, expires, daysLeft }) => ({
    level: "warning",
    title: line`API key ${foreign(key.name)} expires in ${inDays(daysLeft)}`,
    lines: [line`It ends ${when(expires)}.`],
  }),
  "key.created": ({ key, preset, scopes, expires, actor }) => ({
    level: "info",
    title: line`API key made: ${foreign(key.name)}`,
    lines: [
      preset === null ? line`It may ${foreign(scopes.join(", "), 400)}.` : line`Its preset is ${foreign(preset)}.`,
      expires === null ? line`It does not expire.` : line`It ends ${when(expires)}.`,
      ...byWhom(actor),
    ],
  }),
  "key.rotated": ({ key, graceUntil, actor }) => ({
    level: "info",
    title: line`API key has a new secret: ${foreign(key.name)}`,
    lines: [
      graceUntil === null
        ? line`The old one ended at once.`
        : line`The old one ends ${when(graceUntil)} at the latest.`,
      ...byWhom(actor),
    ],
  }),
  "key.revoked": ({ key, how, actor }) => ({
    level: "info",
    title:
      how === "deleted" ? line`API key deleted: ${foreign(key.name)}` : line`API key disabled: ${foreign(key.name)}`,
    lines: [line`Keys that it had minted ended with it.`, ...byWhom(actor)],
  }),
  "webhook.disabled": ({ webhook, message: why, failingSince }) => ({
    level: "failure",
    title: line`Webhook endpoint disabled: ${foreign(webhook.description ?? webhook.host)}`,
    lines: [
      [message(why)],
      ...(failingSince === null ? [] : [line`It has failed since ${when(failingSince)}.`]),
      line`Its events wait until it is resumed.`,
    ],
  }),
  "webhook.resumed": ({ webhook, actor }) => ({
    level: "recovery",
    title: line`Recovered: webhook endpoint ${foreign(webhook.description ?? webhook.host)} was resumed`,
    lines: [line`It is sent what it missed.`, ...byWhom(actor)],
  }),
  "ledger.cut": ({ from, through }) => ({
    level: "info",
    title: line`Old events removed`,
    lines: [line`Events ${String(from)} to ${String(through)}, as retention says.`],
  }),
};
