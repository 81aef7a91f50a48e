import type { BackupFact } from "../../ledger/catalogue/shapes.ts";
import type { EventData, EventType } from "../../ledger/event-kinds.ts";
import {
  byWhom,
  foreign,
  type Line,
  LONGEST_MESSAGE,
  line,
  message,
  type Notice,
  sizeAndTime,
  when,
} from "./notice.ts";

type RestoreType = Extract<EventType, `restore.${string}` | `approval.${string}` | `operation.${string}`>;

const safety = (backup: BackupFact | null): Line[] =>
  backup === null ? [line`No safety backup was made.`] : [line`The data before is in ${foreign(backup.key)}.`];

/** A command is shown whole or not at all: nobody is to run half of one. */
const step = (text: string, at: number): Line =>
  text.length <= LONGEST_MESSAGE
    ? [`${at + 1}. `, message(text)]
    : [`${at + 1}. (A command, too long for a message: it stands in the event and in the operation's result.steps.)`];

/** Downtimes are tens of milliseconds as often as minutes. */
const away = (downtimeMs: number | null): Line[] =>
  downtimeMs === null
    ? []
    : [
        line`The server was away for ${downtimeMs < 10_000 ? `${downtimeMs} ms` : `${Math.round(downtimeMs / 1000)} s`}.`,
      ];

type ApprovalRequest = EventData<"approval.requested">;
const requestLine = ({ action, backup }: ApprovalRequest): Line =>
  action === "restore" ? line`restore ${foreign(backup.key)}` : line`delete ${foreign(backup.key)}`;

const requestDetails = ({ requestedBy }: Pick<ApprovalRequest, "requestedBy">): Line[] => {
  const name = requestedBy.name ?? requestedBy.id;
  return name === undefined ? [] : [line`Asked for by ${foreign(name)}.`];
};

export const restoreNotices: { [T in RestoreType]: (data: EventData<T>) => Notice } = {
  "restore.accepted": ({ backup, safetyBackup, actor }) => ({
    level: "warning",
    title: line`Restore begins: ${foreign(backup.key)}`,
    lines: [
      line`The server accepted the request; whether it works follows.`,
      sizeAndTime(backup),
      ...safety(safetyBackup),
      ...byWhom(actor),
    ],
  }),
  "restore.completed": ({ backup, safetyBackup, downtimeMs, undoUntil, actor }) => ({
    level: "success",
    title: line`Restored: ${foreign(backup.key)}`,
    lines: [
      sizeAndTime(backup),
      ...away(downtimeMs),
      ...safety(safetyBackup),
      ...(undoUntil === null ? [] : [line`It can be taken back until ${when(undoUntil)}.`]),
      ...byWhom(actor),
    ],
  }),
  "restore.failed": ({ backup, error, actor }) => ({
    level: "failure",
    title: line`Restore failed: ${foreign(backup.key)}`,
    lines: [
      [message(error.message)],
      line`The server kept its old data.`,
      ...(error.hint ? [[message(error.hint)]] : []),
      ...byWhom(actor),
    ],
  }),
  "restore.unknown": ({ backup, error, safetyBackup, steps, actor }) => ({
    level: "failure",
    title: line`Restore with unknown outcome: ${foreign(backup.key)}`,
    lines: [[message(error.message)], ...steps.map(step), ...safety(safetyBackup), ...byWhom(actor)],
  }),
  "approval.requested": (data) => ({
    level: "warning",
    title: [line`Approval needed: `, requestLine(data)].flat(),
    lines: [...requestDetails(data), sizeAndTime(data.backup), line`It expires ${when(data.expires)}.`],
  }),
  "approval.granted": (data) => ({
    level: "info",
    title: [line`Approved: `, requestLine(data)].flat(),
    lines: [...byWhom(data.actor), ...requestDetails(data)],
  }),
  "approval.denied": (data) => ({
    level: "warning",
    title: [line`Denied: `, requestLine(data)].flat(),
    lines: [...byWhom(data.actor), ...requestDetails(data), line`Nothing was done.`],
  }),
  "approval.expired": (data) => ({
    level: "warning",
    title: [line`Nobody decided in time: `, requestLine(data)].flat(),
    lines: [...requestDetails(data), line`Nothing was done.`],
  }),
  "operation.canceled": (data) => ({
    level: "warning",
    title: line`Canceled: ${data.action} ${foreign(data.name)}`,
    lines: [
      ...(data.error === null ? byWhom(data.actor) : [[message(data.error.message)]]),
      ...requestDetails(data),
      line`Nothing was sent to the server.`,
    ],
  }),
};
