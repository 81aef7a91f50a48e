import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ProblemCode } from "../../src/base/problems.ts";
import { generated, wholeOf } from "../harness/fake/content.ts";
import type { Fault } from "../harness/fake/faults.ts";
import { startRelay, type TestRelay } from "../harness/relay.ts";
import { type Deed, type Front, KEPT, openFront } from "../weather/front.ts";
import { expectTold } from "../weather/told.ts";

let relay: TestRelay;
const fronts: Front[] = [];

async function front(name: string): Promise<Front> {
  const opened = await openFront(relay, name);
  fronts.push(opened);
  return opened;
}

beforeAll(async () => {
  relay = await startRelay();
});
afterAll(async () => {
  await relay?.stop();
  await Promise.all(fronts.map(({ server }) => server.stop()));
});

/** What each call is told by a server that takes every connection and says nothing, each asked of one of its own. */
const told: { [D in Deed]?: ProblemCode } = {
  list: "upstream_timeout",
  page: "upstream_timeout",
  create: "upstream_timeout",
  generate: "upstream_timeout",
  upload: "upstream_timeout",
  put: "upstream_timeout",
  restore: "upstream_timeout",
  dryRun: "upstream_timeout",
  delete: "operation_unfinished",
};

describe.concurrent("a server that says nothing", () => {
  const silent: Fault = { kind: "slow", ms: 600_000 };

  for (const [deed, code] of Object.entries(told) as [Deed, ProblemCode][]) {
    it(`${deed} is told ${code}`, async () => {
      const it = await front(`silent-${deed.toLowerCase()}`);
      it.server.fake.faults.add(silent);
      expectTold(it, await it.act(deed), code);
    });
  }

  it("after a whole upload is waited for, and then it is unclear", async () => {
    const it = await front("silent-after-upload");
    it.server.fake.faults.add({ ...silent, on: "upload" });
    expectTold(it, await it.act("put"), "upstream_timeout");
  });

  it("in the middle of a file is left for a new connection, at the byte", async () => {
    const it = await front("stalling");
    const file = generated(61, 300_000);
    await it.server.fake.put(KEPT, file, Date.now() - 50_000);
    await it.act("list");
    it.server.fake.faults.add({ kind: "trickle", bytes: 100_000, everyMs: 120_000, on: "download", times: 1 });
    const got = await it.act("download");
    expect(got).toMatchObject({ status: 200, whole: true });
    expect(got.text === Buffer.from(wholeOf(file)).toString("latin1")).toBe(true);
    expect(it.asked("download")).toBe(2);
  });
});
