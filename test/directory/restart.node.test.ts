import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, vi } from "vitest";
import { startRelay } from "../harness/relay.ts";
import { admin } from "../harness/relay-client.ts";
import { filesIn } from "../harness/stored-rows.ts";
import { STARTED } from "../harness/waiting.ts";

const YEAR = 365 * 86_400_000;

/** The watchdog's alarm as workerd's own list of alarms has it, ms since the epoch; null while there is none to be read. */
function alarmIn(dataDir: string): number | null {
  try {
    const database = new DatabaseSync(join(dataDir, "backup-relay-directory/metadata.sqlite"), { readOnly: true });
    try {
      const row = database.prepare("SELECT min(scheduled_time) / 1000000 AS at FROM _cf_ALARM").get();
      return (row?.at as number | null) ?? null;
    } finally {
      database.close();
    }
  } catch {
    // workerd makes or writes it right now.
    return null;
  }
}

const soon = (dataDir: string) => vi.waitUntil(() => (alarmIn(dataDir) ?? Infinity) < Date.now() + 65_000, STARTED);

it("a relay that starts after its clock was set back has its watchdog's alarm within a minute", async () => {
  const relay = await startRelay();
  try {
    const { status } = await admin(relay, "/v1/keys/self", { instance: "none" });
    expect(status).toBe(404);
    await fetch(`${relay.url}/v1/health`);
    await soon(relay.dataDir);
    await relay.kill9();
    for (const file of filesIn(relay.dataDir).filter((path) => path.startsWith("backup-relay-directory/"))) {
      const database = new DatabaseSync(join(relay.dataDir, file));
      const [table, column] = file.endsWith("/metadata.sqlite")
        ? ["_cf_ALARM", "scheduled_time"]
        : ["_cf_METADATA", "value"];
      database.exec(`UPDATE ${table} SET ${column} = ${column} + ${YEAR}000000`);
      database.close();
    }
    expect(alarmIn(relay.dataDir)).toBeGreaterThan(Date.now() + YEAR / 2);
    await relay.restart();
    expect((await fetch(`${relay.url}/v1/health`)).status).toBe(200);
    await soon(relay.dataDir);
  } finally {
    await relay.stop();
  }
});
