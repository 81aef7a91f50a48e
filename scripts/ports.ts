import { createServer } from "node:net";
import { Refusal } from "./refusal.ts";

/** Whether nothing listens on the address now. */
export function isFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/**
 * A port nobody listens on, below the range from which systems hand out ports to outgoing connections: one from
 * there could be taken by any process between this look and its use.
 */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = 10_000 + Math.floor(Math.random() * 22_000);
    if (await isFree(port, host)) return port;
  }
  throw new Refusal(`No free port was found on ${host}.`);
}

/** The port asked for when it is free, a free one for 0, else a refusal that names the flag to change. */
export async function claimPort(port: number, flag: string, host = "127.0.0.1"): Promise<number> {
  if (port === 0) return freePort(host);
  if (await isFree(port, host)) return port;
  throw new Refusal(
    `Port ${port} on ${host} is in use: stop what listens there, or choose another with ${flag} PORT (0 picks a free one).`,
  );
}
