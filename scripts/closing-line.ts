/** How many tests and steps passed, failed and were left out. */
export type Tally = { passed: number; failed: number; skipped: number };

/** The part of vitest's JSON report that is used here. */
export type VitestReport = {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
};

/**
 * Counts a vitest run. A file that failed before its first test counts as one failure, and so does a run that ended
 * with an error (an unhandled error, a crash, no report at all) without naming a failure.
 */
export function tallyVitest(report: VitestReport | null, exitCode: number): Tally {
  const broken =
    report?.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0) ?? [];
  const failed = (report?.numFailedTests ?? 0) + broken.length;
  return {
    passed: report?.numPassedTests ?? 0,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0),
  };
}

export const addTallies = (tallies: Tally[]): Tally =>
  tallies.reduce(
    (sum, one) => ({
      passed: sum.passed + one.passed,
      failed: sum.failed + one.failed,
      skipped: sum.skipped + one.skipped,
    }),
    { passed: 0, failed: 0, skipped: 0 },
  );

/** The last line of `npm test`: `12 passed, 0 failed`, and `, 1 skipped` when something was. */
export const closingLine = ({ passed, failed, skipped }: Tally): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
