import { literal } from "../fake/content.ts";
import { type FakeServer, startFake } from "../fake/server.ts";
import { Receiver } from "../receiver.ts";
import { type RelayOptions, startRelay, type TestRelay } from "../relay.ts";
import { admin, registerInstance } from "../relay-client.ts";

export type Hook = { id: string; secret: string; url: string; state: string } & Record<string, unknown>;

/** The built relay on plain workerd before a fake server, and receivers on 127.0.0.1. */
export class WebhookStage {
  readonly relay: TestRelay;
  readonly server: FakeServer;
  readonly receiver: Receiver;
  private files = 0;

  private constructor(relay: TestRelay, server: FakeServer, receiver: Receiver) {
    this.relay = relay;
    this.server = server;
    this.receiver = receiver;
  }

  static async start(settings: RelayOptions["settings"] = {}): Promise<WebhookStage> {
    const receiver = await new Receiver().start();
    const server = await startFake();
    const relay = await startRelay({ settings: { ALLOW_PRIVATE_NETWORK: "all", ...settings } });
    const { email, password } = server.fake;
    await registerInstance(relay, { url: server.url, email, password }, { verify: false, pollSeconds: 3600 });
    const stage = new WebhookStage(relay, server, receiver);
    await stage.look();
    return stage;
  }

  async call<T>(method: string, path: string, body?: unknown, status = 200): Promise<T> {
    const answer = await admin(this.relay, path, { method, body });
    const text = await answer.text();
    if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === "" ? null : JSON.parse(text)) as T;
  }

  hook(path: string, more: Record<string, unknown> = {}): Promise<Hook> {
    return this.call("POST", "/v1/webhooks", { url: this.receiver.url(path), types: ["backup.*"], ...more }, 201);
  }

  /** So many backups appear at once; resolves when the ledger tells of them. Returns the events' ids. */
  async happen(count: number): Promise<string[]> {
    const { fake } = this.server;
    const { head } = await this.call<{ head: number }>("GET", `/v1/events?limit=1&after=${Number.MAX_SAFE_INTEGER}`);
    for (let left = count; left > 0; left--)
      await fake.put(`f${String(this.files++).padStart(6, "0")}.zip`, literal(new Uint8Array(22)), fake.now() - 60_000);
    await this.look();
    return this.events(head);
  }

  /** The ids of all `backup.*` events after a seq. */
  async events(after: number): Promise<string[]> {
    const ids: string[] = [];
    for (let from = after; ; ) {
      const page = await this.call<{ items: { id: string }[]; nextAfter: number; head: number }>(
        "GET",
        `/v1/events?limit=200&type=backup.*&after=${from}`,
      );
      ids.push(...page.items.map(({ id }) => id));
      if (page.nextAfter >= page.head || page.nextAfter === from) return ids;
      from = page.nextAfter;
    }
  }

  async look(): Promise<void> {
    await this.call("GET", "/v1/backups?limit=1");
  }

  async stop(): Promise<void> {
    await this.relay.stop();
    await this.server.stop();
    await this.receiver.stop();
  }
}
