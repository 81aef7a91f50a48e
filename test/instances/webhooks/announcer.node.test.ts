import { expect, it } from "vitest";
import { secureRandom } from "../../../src/base/random.ts";
import { Ledger } from "../../../src/instances/ledger/store.ts";
import { instanceSteps } from "../../../src/instances/schema.ts";
import { Announcer } from "../../../src/instances/webhooks/announcer.ts";
import { Endpoints } from "../../../src/instances/webhooks/store.ts";
import type { EventDraft } from "../../../src/ledger/event.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { Turns } from "../../harness/object-sqlite.ts";
import { anEndpoint } from "../../harness/webhooks/endpoint-record.ts";

const draft: EventDraft = {
  type: "key.revoked",
  data: { key: { id: "Zk3v9QpLx7", name: "robot" }, how: "deleted", actor: { kind: "admin" } },
};

it("an endpoint's object that does not answer keeps no news from the others, and is told again", async () => {
  const turns = new Turns();
  migrate(turns.storage, instanceSteps);
  const clock = () => 1_795_000_000_000;
  const ledger = new Ledger(turns.sql, clock, secureRandom, () => "acme");
  const endpoints = new Endpoints({ storage: turns.storage, keys: null as never, ledger, clock });
  for (const id of ["wh_a", "wh_b"]) endpoints.put(anEndpoint({ id }));
  const told: Record<string, number[]> = { wh_a: [], wh_b: [] };
  let deaf = true;
  let over: () => void = () => undefined;
  const announcer = new Announcer({
    sql: turns.sql,
    ledger,
    endpoints,
    endpoint: (id) => ({
      async notify() {
        told[id]!.push(ledger.head.seq);
        return id === "wh_a" && deaf ? new Promise<never>(() => undefined) : ledger.head.seq;
      },
    }),
    clock,
    sleep: (_, signal) =>
      new Promise((resolve) => {
        over = resolve;
        signal?.addEventListener("abort", () => resolve());
      }),
    detach: (work) => void work,
    wake: () => undefined,
  });
  ledger.onAppend = () => announcer.ledgerGrew();
  const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

  ledger.append([draft]);
  await settled();
  ledger.append([draft]);
  over();
  await settled();
  announcer.run(clock());
  await settled();
  expect(told.wh_b).toContain(2);
  deaf = false;
  over();
  await settled();
  announcer.run(clock());
  await settled();
  expect(told.wh_a!.at(-1)).toBe(2);
  expect(announcer.due()).toBe(Number.POSITIVE_INFINITY);
});
