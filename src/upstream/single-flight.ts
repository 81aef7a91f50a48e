import type { UpstreamResult } from "./backups-api.ts";
import { silenceFault } from "./fault.ts";

/**
 * One run of `work` at a time: whoever asks meanwhile gets its result. A caller whose signal ends stops waiting, with
 * `upstream_timeout`; the work itself goes on for the others.
 */
export function singleFlight<T>(
  work: () => Promise<UpstreamResult<T>>,
): (signal?: AbortSignal) => Promise<UpstreamResult<T>> {
  let running: Promise<UpstreamResult<T>> | null = null;
  return (signal) => {
    running ??= work().finally(() => {
      running = null;
    });
    if (!signal) return running;
    const shared = running;
    return new Promise((resolve) => {
      const leave = () => resolve({ ok: false, error: silenceFault("timeout", false) });
      if (signal.aborted) return leave();
      signal.addEventListener("abort", leave, { once: true });
      void shared.then((result) => {
        signal.removeEventListener("abort", leave);
        resolve(result);
      });
    });
  };
}
