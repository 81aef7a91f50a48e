import { afterAll, beforeAll } from "vitest";
import type { FakeOptions } from "../fake/upstream.ts";
import { startRelay, type TestRelay } from "../relay.ts";
import { type Front, openFront } from "./front.ts";

/** One relay for a test file, and as many fronts as its tests open; all of them end with the file. */
export function relayWithFronts() {
  const fronts: Front[] = [];
  let relay: TestRelay;
  beforeAll(async () => {
    relay = await startRelay();
  });
  afterAll(async () => {
    await relay?.stop();
    await Promise.all(fronts.map(({ server }) => server.stop()));
  });
  return {
    get relay(): TestRelay {
      return relay;
    },
    async openFront(name: string, options?: FakeOptions): Promise<Front> {
      const opened = await openFront(relay, name, options);
      fronts.push(opened);
      return opened;
    },
  };
}
