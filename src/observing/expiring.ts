/** How many days before an end it is said. */
export const WARNING_DAYS = [14, 3, 1] as const;
export type WarningDays = (typeof WARNING_DAYS)[number];

const DAY_MS = 86_400_000;

/** What was said last about something's end; forgotten when the end moves. */
export type Warned = { expires: number; days: WarningDays };

/**
 * The warning to give now, or null. Something that expires in less than a day is told "1" once; a step that was slept
 * through is not made up for: only the nearest one counts.
 */
export function expiring(expires: number | null, warned: Warned | undefined, at: number): WarningDays | null {
  if (expires === null || expires <= at) return null;
  const left = (expires - at) / DAY_MS;
  const step = WARNING_DAYS.findLast((days) => left <= days);
  if (step === undefined) return null;
  return warned?.expires === expires && warned.days <= step ? null : step;
}
