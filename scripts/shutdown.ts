/**
 * Calls `end` once when this process is asked to stop: Ctrl-C, SIGTERM, SIGHUP, or the death of the process that
 * started it (the closed channel of `bootstrap.mjs`). `again` is called on a second Ctrl-C at least a second later: a
 * terminal's Ctrl-C arrives twice, once from the terminal and once passed on by the parent.
 */
export function onShutdown(end: (reason: NodeJS.Signals | "disconnect") => void, again: () => void): void {
  let asked: number | null = null;
  const ask = (reason: NodeJS.Signals | "disconnect") => {
    if (asked === null) {
      asked = performance.now();
      end(reason);
    } else if (performance.now() - asked > 1000) again();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => ask(signal));
  if (process.channel) {
    process.once("disconnect", () => ask("disconnect"));
    process.channel.unref();
  }
}
