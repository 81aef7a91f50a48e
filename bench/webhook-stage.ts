import type { WorkerBuild } from "../scripts/build-worker.ts";
import { literal } from "../test/harness/fake/content.ts";
import { type FakeServer, startFake } from "../test/harness/fake/server.ts";
import { signedNudge } from "../test/harness/nudge.ts";
import { startRelay, type TestRelay } from "../test/harness/relay.ts";
import { admin, registerInstance } from "../test/harness/relay-client.ts";
import { type Behaviour, Receiver } from "./webhook-receiver.ts";

export type WebhookStage = {
  relay: TestRelay;
  fake: FakeServer;
  receiver: Receiver;
  /** Makes endpoints; resolves with their paths at the receiver. */
  endpoints(count: number, behaviour?: Behaviour): Promise<string[]>;
  /** Makes so many backups appear, old enough to be announced at the first look. */
  appear(count: number): Promise<void>;
  /** Resolves when the relay has answered 202. */
  nudge(): Promise<void>;
  stop(): Promise<void>;
};

const CONTENT = literal(new Uint8Array(22));
const AGE_MS = 3_600_000;

/** The relay on raw workerd in front of a fake server, with receivers on 127.0.0.1. */
export async function webhookStage(build?: WorkerBuild): Promise<WebhookStage> {
  const receiver = new Receiver();
  const port = await receiver.listen();
  const fake = await startFake();
  const relay = await startRelay({ settings: { ALLOW_PRIVATE_NETWORK: "all" }, ...(build ? { build } : {}) });
  const { email, password } = fake.fake;
  const { nudge } = await registerInstance(relay, { url: fake.url, email, password }, { verify: false });
  let files = 0;
  let hooks = 0;
  const stage: WebhookStage = {
    relay,
    fake,
    receiver,
    async endpoints(count, behaviour = "ok") {
      const paths = Array.from({ length: count }, () => `/${behaviour}/${hooks++}`);
      for (const path of paths) {
        const made = await admin(relay, "/v1/webhooks", {
          body: { url: `http://127.0.0.1:${port}${path}`, types: ["backup.*"] },
        });
        if (made.status !== 201) throw new Error(`no endpoint was made: ${await made.text()}`);
        await made.text();
      }
      return paths;
    },
    async appear(count) {
      const at = fake.fake.now() - AGE_MS;
      for (let left = count; left > 0; left--)
        await fake.fake.put(`file_${String(files++).padStart(7, "0")}.zip`, CONTENT, at);
    },
    async nudge() {
      const url = `${relay.url}${new URL(nudge.url, relay.url).pathname}`;
      const answer = await fetch(url, signedNudge(nudge.secret));
      if (answer.status !== 202) throw new Error(`the nudge was answered ${answer.status}`);
    },
    async stop() {
      await relay.stop();
      await fake.stop();
      await receiver.stop();
    },
  };
  // The first look stores what is there and announces nothing.
  await (await admin(relay, "/v1/backups")).text();
  return stage;
}
