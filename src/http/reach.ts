/** What became of a TCP connection: made, refused (or there is no way to the host), or neither in time. */
export type Reached = "made" | "refused" | "silent";
export type Reach = (host: string, port: number) => Promise<Reached>;

const REACH_MS = 3_000;

/** Tries a TCP connection for at most `REACH_MS`; it is closed at once. `host` as `new URL(…).hostname` writes it. */
export async function reach(network: Pick<Fetcher, "connect">, hostname: string, port: number): Promise<Reached> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const socket = network.connect({ hostname, port });
    const timedOut = new Promise<"silent">((resolve) => {
      timer = setTimeout(() => resolve("silent"), REACH_MS);
    });
    const opened = socket.opened.then(
      () => "made" as const,
      () => "refused" as const,
    );
    socket.closed.catch(() => undefined);
    const reached = await Promise.race([opened, timedOut]);
    socket.close().catch(() => undefined);
    return reached;
  } catch {
    return "refused";
  } finally {
    clearTimeout(timer);
  }
}
