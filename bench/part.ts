import type { BenchOptions } from "./options.ts";

/** What a part is given. */
export type Setting = {
  options: BenchOptions;
  /** A folder of this part alone, removed when it ends. */
  workFolder: string;
  /** Progress, on the error stream. */
  say(line: string): void;
};

/** A ratio that was promised (docs/benchmarks.md), and what came out. */
export type Target = { name: string; wanted: string; reached: string; met: boolean };

export type Report = {
  /** Markdown: tables and the sentences that explain them. */
  text: string;
  targets: Target[];
};

/**
 * One thing that is measured: the default export of `bench/part-NAME.ts`. It starts what it needs with `startProcess`
 * (directly or through the harness), so that everything ends with the run.
 */
export type Part = {
  /** One line, shown above its tables. */
  title: string;
  run(setting: Setting): Promise<Report>;
};

/** A target "at least `least` times". NaN (a peer was missing) counts as not met. */
export function atLeast(name: string, least: number, ratio: number): Target {
  const reached = Number.isFinite(ratio) ? `${ratio.toFixed(2)}×` : "not measured";
  return { name, wanted: `≥ ${least}×`, reached, met: ratio >= least };
}
