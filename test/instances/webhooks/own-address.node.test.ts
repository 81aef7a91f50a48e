import { request } from "node:http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Hook, WebhookStage } from "../../harness/webhooks/relay.ts";

let stage: WebhookStage;
beforeAll(async () => {
  stage = await WebhookStage.start();
});
afterAll(() => stage.stop());

/** As a client that knows the relay by `host`; undefined: by its address and port. Resolves to status and refusal's code. */
const ask = (method: string, path: string, url: string, host?: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${stage.relay.adminToken}`,
      "content-type": "application/json",
      ...(host === undefined ? {} : { host }),
    };
    const sent = request(stage.relay.url + path, { method, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (piece) => {
        text += piece;
      });
      answer.on("end", () => resolve(`${answer.statusCode} ${JSON.parse(text).data?.url?.code ?? ""}`.trim()));
    });
    sent.on("error", reject);
    sent.end(JSON.stringify({ url }));
  });
const REFUSED = "400 address_own";

it("without PUBLIC_URL the address that the request came to is the relay's own", async () => {
  const hook: Hook = await stage.hook("/elsewhere");
  const both = async (url: string, host?: string) => [
    await ask("POST", "/v1/webhooks", url, host),
    await ask("PATCH", `/v1/webhooks/${hook.id}`, url, host),
  ];
  expect(await both(`${stage.relay.url}/v1/nudge`)).toEqual([REFUSED, REFUSED]);
  expect(await both(stage.receiver.url("/on-another-port"))).toEqual(["201", "200"]);
  // TLS ended in front of the relay, so it was asked by http.
  expect(await both("https://relay.example.com/hook", "relay.example.com")).toEqual([REFUSED, REFUSED]);
  expect(await both("https://relay.example.com:443/hook", "Relay.Example.com")).toEqual([REFUSED, REFUSED]);
  expect(await both("https://relay.example.com/hook", "relay.example.com:443")).toEqual([REFUSED, REFUSED]);
  expect(await both("https://10.0.0.1/hook", "10.0.0.1")).toEqual([REFUSED, REFUSED]);
  expect(await both("https://10.0.0.1/hook", "10.0.0.1:8443")).toEqual(["201", "200"]);
  const read = await stage.call<Hook>("GET", `/v1/webhooks/${hook.id}`);
  expect(read.url).toBe("https://10.0.0.1/…");
});

it("with PUBLIC_URL that one is, however the request came", async () => {
  const hook = await stage.hook("/elsewhere");
  await stage.relay.restart({ PUBLIC_URL: "https://relay.example.com" });
  for (const [method, path] of [
    ["POST", "/v1/webhooks"],
    ["PATCH", `/v1/webhooks/${hook.id}`],
  ] as const) {
    expect(await ask(method, path, "https://relay.example.com/hook"), method).toBe(REFUSED);
    expect(await ask(method, path, "https://10.0.0.1/hook", "10.0.0.1"), method).toMatch(/^20[01]$/);
  }
});
