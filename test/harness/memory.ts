import type { TestRelay } from "./relay.ts";

const MIB = 1024 * 1024;

/** The most memory that the relay's process used while `work` ran, in MiB above the start. */
export async function growthOf(relay: TestRelay, work: () => Promise<unknown>): Promise<number> {
  const before = relay.rssBytes();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, relay.rssBytes());
  }, 20);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return (most - before) / MIB;
}
