import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";

/** Stands in front of a server and records every call. Slow: for counting, not for timing. */
export async function startCountingProxy(
  upstreamPort: number,
): Promise<{ url: string; calls: string[]; stop(): Promise<void> }> {
  const calls: string[] = [];
  const server = createServer((incoming, answer) => {
    const { method, url = "/", headers } = incoming;
    calls.push(`${method} ${url.split("?")[0]}`);
    const onward = request({ host: "127.0.0.1", port: upstreamPort, method, path: url, headers }, (given) => {
      answer.writeHead(given.statusCode!, given.headers);
      given.pipe(answer);
    });
    onward.on("error", () => answer.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}`, calls, stop };
}
