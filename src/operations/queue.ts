import { type Problem, problem } from "../base/problem.ts";
import type { Operation } from "./operation.ts";

/** Operations that may wait for one server. */
export const MAX_QUEUED = 20;

type Request = Pick<Operation, "kind" | "actor">;

/** An administrator's restore ends an outage: it neither waits behind what keys asked for nor finds the line full. */
const goesFirst = ({ kind, actor }: Request): boolean => kind === "restore" && actor.kind === "admin";

const byTurn = (a: Operation, b: Operation): number =>
  Number(goesFirst(b)) - Number(goesFirst(a)) || a.requested - b.requested || (a.id < b.id ? -1 : 1);

/** Why another operation cannot be queued, or null. `active` are those that have not ended. */
export function queueRefusal(active: readonly Operation[], request: Request): Problem | null {
  if (goesFirst(request)) return null;
  const queued = active.filter(({ state }) => state === "queued").length;
  return queued < MAX_QUEUED ? null : problem("queue_full", { retryAfterSeconds: 60 });
}

/**
 * The operation to start now: none while one runs, else an administrator's restore, else the one that was asked for first.
 * An approval does not move an operation to the back: its place is that of the request.
 */
export function nextToRun(active: readonly Operation[]): Operation | null {
  if (active.some(({ state }) => state === "running")) return null;
  const queued = active.filter(({ state }) => state === "queued");
  return queued.sort(byTurn)[0] ?? null;
}

/** How many operations go before this one; 0 when it is next or running. Null when it is not in line. */
export function placeInQueue(active: readonly Operation[], id: string): number | null {
  const line = active.filter(({ state }) => state === "running" || state === "queued");
  const running = (operation: Operation) => (operation.state === "running" ? 0 : 1);
  line.sort((a, b) => running(a) - running(b) || byTurn(a, b));
  const place = line.findIndex((operation) => operation.id === id);
  return place < 0 ? null : place;
}
