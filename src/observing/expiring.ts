import { pastOrUnknown } from "../base/clock.ts";

/** How many days before it expires something is announced. */
const WARNING_DAYS = [14, 3, 1] as const;
export type WarningDays = (typeof WARNING_DAYS)[number];

const DAY_MS = 86_400_000;

/** The last warning about something that expires, and when it was given (ms); void when the date moves. */
export type Warned = { expires: number; days: WarningDays; at?: number };

/**
 * The warning to give now, or null. Something that expires within a day is announced once, with 1. A warning that was
 * missed while the relay was down is not sent late: only the nearest one counts.
 */
export function expiring(expires: number | null, warned: Warned | undefined, at: number): WarningDays | null {
  if (expires === null || expires <= at) return null;
  const left = (expires - at) / DAY_MS;
  const days = WARNING_DAYS.findLast((limit) => left <= limit);
  if (days === undefined) return null;
  // A clock that ran ahead has warned too early: then it is said again.
  const said = warned?.expires === expires && pastOrUnknown(warned.at ?? at, at) !== null;
  return said && warned.days <= days ? null : days;
}
