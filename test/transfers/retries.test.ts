import { describe, expect, it } from "vitest";
import { retries } from "../../src/transfers/retries.ts";

describe("retries", () => {
  it("tries at once, then after growing waits, then no more; progress brings all tries back", async () => {
    const waits: number[] = [];
    const sleep = async (ms: number) => void waits.push(ms);
    const tries = retries(8, sleep, (count) => new Uint8Array(count), new AbortController().signal);
    for (let n = 0; n < 8; n++) expect(await tries.next()).toBe(true);
    expect(await tries.next()).toBe(false);
    expect(waits).toEqual([125, 250, 500, 1000, 2000, 4000, 5000]);
    tries.renew();
    expect(await tries.next()).toBe(true);
    expect(waits.length).toBe(7);
  });

  it("has none for a client that is gone", async () => {
    const gone = new AbortController();
    const tries = retries(
      8,
      async () => gone.abort(),
      (count) => new Uint8Array(count),
      gone.signal,
    );
    expect(await tries.next()).toBe(true);
    expect(await tries.next()).toBe(false);
  });
});
