import type { Series } from "./request-rounds.ts";
import { pairRatios, spread } from "./statistics.ts";
import { figure, figures, table } from "./table.ts";

/** Requests a second and what they cost, one row per subject; the first is ours, and the ratios are ours ÷ theirs. */
export function requestTable(series: readonly Series[]): string {
  const [ours] = series;
  const rows = series.map((each) => [
    each.name,
    figures(spread(each.perSecond)),
    figure(spread(each.medianMs).median),
    figure(spread(each.p99Ms).median),
    figure(spread(each.cpuPerRequest).median),
    figure(spread(each.clientCpuPerRequest).median),
    each === ours ? "" : figures(pairRatios(ours!.perSecond, each.perSecond)),
  ]);
  const head = ["", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "client's µs", "relay ÷ this"];
  return table(head, rows);
}
